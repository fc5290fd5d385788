"""The command line: one function a command, terminal tables, demo, simulate, support bundle."""
