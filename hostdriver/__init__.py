"""What runs on the user's computer: transports to a key, emulated or real, and sessions over them."""
