"""What runs inside the key."""
