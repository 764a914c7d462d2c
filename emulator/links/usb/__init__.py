"""The key as a USB device: its functions, and the buses that carry them.

What stands here loads nothing: the rest needs `construct` (the extra `usb`).
"""

USBIP_PORT = 3240
"""USB/IP's port at IANA, and the usbip tool's."""
BUS_ID = "1-1"
"""What `usbip attach -b` takes: each key has a server, each server one device."""
