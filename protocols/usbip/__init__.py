"""USB/IP, version 1.1.1: a USB device's end, as Linux's vhci_hcd and the usbip tool speak to it. No I/O here."""

from protocols.usbip.operations import (
    HEADER_SIZE,
    IMPORT_BODY_SIZE,
    ExportedDevice,
    OpCode,
    Status,
    import_reply,
    list_reply,
    parse_bus_id,
    parse_operation,
)
from protocols.usbip.urbs import (
    COMMAND_SIZE,
    MAX_OUT,
    Error,
    Submit,
    Unlink,
    parse_command,
    submitted,
    unlinked,
)

__all__ = [
    "COMMAND_SIZE",
    "HEADER_SIZE",
    "IMPORT_BODY_SIZE",
    "MAX_OUT",
    "Error",
    "ExportedDevice",
    "OpCode",
    "Status",
    "Submit",
    "Unlink",
    "import_reply",
    "list_reply",
    "parse_bus_id",
    "parse_command",
    "parse_operation",
    "submitted",
    "unlinked",
]
