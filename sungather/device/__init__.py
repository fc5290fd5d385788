"""One device read scan by scan, and how it is found."""
