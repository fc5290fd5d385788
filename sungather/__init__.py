"""SunGather: reads Sungrow solar inverters and exports what they say, losing nothing."""

__version__ = "1.0.0.dev0"
