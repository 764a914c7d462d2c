"""How makers' PKCS#11 modules differ, as data. All of it from published headers; no such module was tried.

PKCS#11 itself has no SM2: each maker gave it numbers of its own above 0x80000000.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from hostdriver.pkcs11.cryptoki import VENDOR_DEFINED
from protocols.sw import SW


@dataclass(frozen=True, slots=True)
class Habits:
    """What one maker's modules do that the standard does not say.

    :param makers: parts of what C_GetInfo calls the manufacturer, in small letters (assumed).
    :param sm2_key_type: CKA_KEY_TYPE of SM2 pairs; CKK_EC with the curve's OID is understood from everybody.
    :param sm2_generate: the mechanism that makes SM2 pairs, as are the next two; None: nobody knows.
    :param sm2_message: signs a message: SM3 over Z, of the default ID, and the message.
    :param sm2_digest: signs a ready e.
    :param answers: what its own CKR codes mean.
    """

    name: str
    makers: tuple[str, ...] = ()
    sm2_key_type: int | None = None
    sm2_generate: int | None = None
    sm2_message: int | None = None
    sm2_digest: int | None = None
    answers: Mapping[int, SW] = field(default_factory=dict)

    @property
    def mechanisms(self) -> set[int]:
        """Those of its own."""
        numbers = (self.sm2_generate, self.sm2_message, self.sm2_digest)
        return {number for number in numbers if number is not None}


STANDARD = Habits("standard")
KNOWN = (
    Habits(
        "feitian",
        makers=("feitian", "ftsafe", "entersafe"),
        answers={
            VENDOR_DEFINED + 0x1: SW.BUSY,
            VENDOR_DEFINED + 0x8: SW.TIMED_OUT,
            VENDOR_DEFINED + 0x9: SW.CANCELLED,
            VENDOR_DEFINED + 0xA: SW.CANCELLED,
        },
    ),
    Habits(
        "sansec",
        makers=("sansec",),
        sm2_key_type=VENDOR_DEFINED + 0x4,
        sm2_generate=VENDOR_DEFINED + 0x8001,
        sm2_message=VENDOR_DEFINED + 0x8102,
        sm2_digest=VENDOR_DEFINED + 0x8105,
    ),
    Habits(
        "westone",
        makers=("westone",),
        sm2_key_type=VENDOR_DEFINED + 0x1,
        sm2_generate=VENDOR_DEFINED + 0x3,
        sm2_digest=VENDOR_DEFINED + 0x4,
    ),
    Habits(
        "ibm",
        makers=("ibm",),
        sm2_key_type=VENDOR_DEFINED + 0x50002,
        sm2_generate=VENDOR_DEFINED + 0x5000A,
        sm2_digest=VENDOR_DEFINED + 0x5000B,
    ),
)


def habits_of(manufacturer: str, mechanisms: Collection[int]) -> Habits:
    """A module's habits: by its manufacturer's name, else by all of a maker's mechanisms among its own."""
    for habits in KNOWN:
        if any(maker in manufacturer.lower() for maker in habits.makers):
            return habits
    for habits in KNOWN:
        if habits.mechanisms and habits.mechanisms <= set(mechanisms):
            return habits
    return STANDARD
