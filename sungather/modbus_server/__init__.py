"""A read-only Modbus/TCP server: other programs read the inverter through our one connection."""
