"""The CCID class descriptor (CCID 1.1, 5.1). Needs `construct`: import it from here, not from the package."""

from __future__ import annotations

from typing import NamedTuple

from construct import Const, ConstructError, Int8ul, Int16ul, Int32ul, Struct

from protocols.ccid.messages import CcidError
from protocols.ccid.parameters import CLOCK_KHZ, DATA_RATE_BPS
from protocols.i18n import N_

USB_CLASS = 0x0B
"""bInterfaceClass of a CCID; subclass 0, protocol 0: bulk transfers (CCID 1.1, 4.1 and 4.2)."""
DESCRIPTOR_TYPE = 0x21
DESCRIPTOR_SIZE = 54

AUTOMATIC = 0x000000FE
"""dwFeatures: parameters, activation, voltage, clock, baud rate, negotiation and PPS are the reader's business."""
EXCHANGE_LEVEL = 0x00070000
"""dwFeatures: the bits that say what the host sends: none of them characters, the lowest TPDUs, else APDUs."""
SHORT_APDU = 0x00020000
SHORT_AND_EXTENDED_APDU = 0x00040000

_RELEASE = 0x0100
"""bcdCCID: 1.00, as most readers say; lsusb warns of every other release, and libccid reads nothing from it."""
_ALL_VOLTAGES = 7
_T1 = 2
_MAX_IFSD = 254
_ECHO = 0xFF
"""bClassGetResponse, bClassEnvelope: the class of the APDU itself."""

_LAYOUT = Struct(
    "bLength" / Const(DESCRIPTOR_SIZE, Int8ul),
    "bDescriptorType" / Const(DESCRIPTOR_TYPE, Int8ul),
    "bcdCCID" / Int16ul,
    "bMaxSlotIndex" / Int8ul,
    "bVoltageSupport" / Int8ul,
    "dwProtocols" / Int32ul,
    "dwDefaultClock" / Int32ul,
    "dwMaximumClock" / Int32ul,
    "bNumClockSupported" / Int8ul,
    "dwDataRate" / Int32ul,
    "dwMaxDataRate" / Int32ul,
    "bNumDataRatesSupported" / Int8ul,
    "dwMaxIFSD" / Int32ul,
    "dwSynchProtocols" / Int32ul,
    "dwMechanical" / Int32ul,
    "dwFeatures" / Int32ul,
    "dwMaxCCIDMessageLength" / Int32ul,
    "bClassGetResponse" / Int8ul,
    "bClassEnvelope" / Int8ul,
    "wLcdLayout" / Int16ul,
    "bPINSupport" / Int8ul,
    "bMaxCCIDBusySlots" / Int8ul,
)


class ClassDescriptor(NamedTuple):
    """What a host needs to know of a reader.

    :param max_message: dwMaxCCIDMessageLength, bytes.
    :param features: dwFeatures.
    :param pin_verify: bit 0 of bPINSupport; `pin_modify` bit 1.
    :param lcd_layout: wLcdLayout, as for `class_descriptor`.
    """

    max_message: int
    features: int
    pin_verify: bool
    pin_modify: bool
    lcd_layout: int

    @property
    def short_apdus(self) -> bool:
        """Whether APDUs can be sent, were it only short ones."""
        return self.features & EXCHANGE_LEVEL in (SHORT_APDU, SHORT_AND_EXTENDED_APDU)


def class_descriptor(*, max_message: int, pin_support: int, lcd_layout: int) -> bytes:
    """The 54 bytes for one slot that takes short and extended APDUs and does all else by itself.

    :param max_message: dwMaxCCIDMessageLength, bytes.
    :param pin_support: bPINSupport: bit 0 verification, bit 1 modification on the reader's keypad.
    :param lcd_layout: wLcdLayout: lines of the screen in the high byte, characters in the low one; 0: none.
    """
    return bytes(
        _LAYOUT.build(
            {
                "bcdCCID": _RELEASE,
                "bMaxSlotIndex": 0,
                "bVoltageSupport": _ALL_VOLTAGES,
                "dwProtocols": _T1,
                "dwDefaultClock": CLOCK_KHZ,
                "dwMaximumClock": CLOCK_KHZ,
                "bNumClockSupported": 0,
                "dwDataRate": DATA_RATE_BPS,
                "dwMaxDataRate": DATA_RATE_BPS,
                "bNumDataRatesSupported": 0,
                "dwMaxIFSD": _MAX_IFSD,
                "dwSynchProtocols": 0,
                "dwMechanical": 0,
                "dwFeatures": SHORT_AND_EXTENDED_APDU | AUTOMATIC,
                "dwMaxCCIDMessageLength": max_message,
                "bClassGetResponse": _ECHO,
                "bClassEnvelope": _ECHO,
                "wLcdLayout": lcd_layout,
                "bPINSupport": pin_support,
                "bMaxCCIDBusySlots": 1,
            }
        )
    )


def parse_class_descriptor(raw: bytes) -> ClassDescriptor:
    """Read any reader's class descriptor.

    :raises CcidError: not 54 bytes, or no CCID class descriptor, or messages too short for a header.
    """
    if len(raw) != DESCRIPTOR_SIZE:
        raise CcidError(N_("A CCID class descriptor has 54 bytes, this one has {size}."), size=len(raw))
    try:
        fields = _LAYOUT.parse(raw)
    except ConstructError:
        raise CcidError(N_("This is no CCID class descriptor.")) from None
    if fields.dwMaxCCIDMessageLength <= 10:
        raise CcidError(N_("This is no CCID class descriptor."))
    return ClassDescriptor(
        max_message=fields.dwMaxCCIDMessageLength,
        features=fields.dwFeatures,
        pin_verify=bool(fields.bPINSupport & 1),
        pin_modify=bool(fields.bPINSupport & 2),
        lcd_layout=fields.wLcdLayout,
    )
