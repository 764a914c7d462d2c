"""Status words: G13, G19-G22."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.sw import SW, describe

UNKNOWN = "unknown status word"

# ISO/IEC 7816-4:2013 table 6, and facts G13, G19-G22.
NUMBERS = {
    0x9000: "OK",
    0x6700: "WRONG_LENGTH",
    0x6581: "MEMORY_FAILURE",
    0x6882: "SECURE_MESSAGING_NOT_SUPPORTED",
    0x6982: "NOT_LOGGED_IN",
    0x6983: "PIN_LOCKED",
    0x6984: "NO_CHALLENGE",
    0x6985: "CONDITIONS_NOT_SATISFIED",
    0x6987: "MAC_MISSING",
    0x6988: "MAC_WRONG",
    0x6A80: "WRONG_DATA",
    0x6A81: "FUNCTION_NOT_SUPPORTED",
    0x6A82: "NOT_FOUND",
    0x6A84: "NO_ROOM",
    0x6A86: "WRONG_P1_P2",
    0x6A88: "KEY_NOT_FOUND",
    0x6A89: "ALREADY_EXISTS",
    0x6A9E: "MORE_DATA",
    0x6D00: "INS_NOT_SUPPORTED",
    0x6E00: "CLA_NOT_SUPPORTED",
    0x6FF0: "CANCELLED",
    0x6FF1: "TIMED_OUT",
    0x6FF2: "NOT_ACTIVATED",
    0x6FF3: "INITIAL_PIN",
    0x6FF4: "MESSAGE_REFUSED",
    0x6FF5: "DIGEST_REFUSED",
    0x6FF6: "BUSY",
    0x6FF7: "ACTIVATION_USED_UP",
}


@pytest.mark.parametrize(("number", "name"), NUMBERS.items())
def test_numbers_of_the_facts(number: int, name: str) -> None:
    assert SW(number).name == name


@pytest.mark.parametrize("sw", SW)
def test_every_status_word_has_a_meaning_of_its_own(sw: SW) -> None:
    assert describe(sw) != UNKNOWN
    assert [other for other in SW if describe(other) == describe(sw)] == [sw]


@pytest.mark.parametrize("left", range(16))
def test_a_wrong_pin_whatever_is_left(left: int) -> None:  # G13
    assert describe(0x63C0 + left) == describe(SW.PIN_WRONG)


@pytest.mark.parametrize("sw", [0x63BF, 0x63D0, 0x0000, 0x6A83, 0xFFFF])
def test_an_unknown_number_is_said_to_be_one(sw: int) -> None:
    assert describe(sw) == UNKNOWN


@given(st.integers(0, 0xFFFF))
def test_any_number_is_described(sw: int) -> None:
    assert describe(sw)
