"""What a profile's values are held against: answers to reset (ISO/IEC 7816-3 section 8.2) and weak PINs (E6)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.profiles import is_weak_pin, is_well_formed_atr


@pytest.mark.parametrize(
    ("atr", "right"),
    [
        # Published answers to reset: a bare T=0 card, OpenPGP card 2.0, YubiKey NEO, a German ID card.
        ("3B00", True),
        ("3BDA18FF81B1FE751F030031C573C001400090000C", True),
        ("3BFC1300008131FE15597562696B65794E454F7233E1", True),
        ("3B888001000000000000000009", True),
        ("3B888001000000000000000008", False),  # wrong TCK
        ("3BDA18FF81B1FE751F030031C573C0014000900000", False),
        ("3BDA18FF81B1FE751F030031C573C001400090", False),  # cut off
        ("3BDA18FF81B1FE751F030031C573C001400090000C00", False),  # one too many
        ("3C00", False),
        ("3B", False),
        ("", False),
        ("3B80", False),  # TD1 promised
        ("3B01", False),  # a historical byte promised
        ("3B8F01" + "20" * 31, False),  # too long
    ],
)
def test_answers_to_reset(atr: str, right: bool) -> None:
    assert is_well_formed_atr(bytes.fromhex(atr)) is right


@given(st.binary(max_size=40))
def test_answers_to_reset_never_crash(atr: bytes) -> None:
    assert is_well_formed_atr(atr) in (True, False)
    assert is_well_formed_atr(b"\x3b" + atr) in (True, False)


@given(position=st.integers(1, 20), change=st.integers(1, 255))
def test_one_changed_byte_is_noticed(position: int, change: int) -> None:
    atr = bytearray.fromhex("3BDA18FF81B1FE751F030031C573C001400090000C")
    atr[position] ^= change
    assert not is_well_formed_atr(bytes(atr))


@pytest.mark.parametrize(
    ("pin", "weak"),
    [
        ("111111", True),
        ("123456", True),
        ("654321", True),
        ("abcdef", True),
        ("12345678", True),
        ("123457", False),
        ("135791", False),
        ("121212", False),
        ("271828", False),
    ],
)
def test_weak_pins(pin: str, weak: bool) -> None:
    assert is_weak_pin(pin) is weak  # E6
