"""The snap's side: hooks, options kept by snapd, health, and the app `set-secret`.

Nothing outside of this package knows snapd, and nothing in it knows an inverter.
"""
