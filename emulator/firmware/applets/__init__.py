"""The applications that answer APDUs."""
