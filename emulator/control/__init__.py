"""How a person or a test reaches the key beside the wire."""
