"""The key as a Bluetooth Low Energy peripheral, on bumble. What is not in `BleLink` is its own affair."""
