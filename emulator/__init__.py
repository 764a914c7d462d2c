"""The key: hardware, firmware, the links that reach it and the bank that issues it."""
