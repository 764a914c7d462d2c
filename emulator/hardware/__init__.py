"""What the firmware runs on, each part behind a Protocol: clock, entropy, storage, display, buttons."""
