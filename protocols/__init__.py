"""What both sides of the wire agree on: bytes to values and back. No I/O, no clock, no threads, no randomness."""
