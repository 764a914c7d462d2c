"""How APDUs reach the key."""
