"""Status words (ISO/IEC 7816-4 §5.6, GM/T 0017; the 6FFx and the 6A8x choices are ours: docs/facts.md G20–G22)."""

from __future__ import annotations

from enum import IntEnum, unique

from protocols.i18n import N_


@unique
class SW(IntEnum):
    """A status word. Unknown ones survive as plain integers."""

    OK = 0x9000
    VERIFICATION_FAILED = 0x6300
    """A signature, or the cryptogram of device authentication, does not fit (assumed)."""
    PIN_WRONG = 0x63C0
    """63Cx: x tries are left."""
    NEW_PINS_DIFFER = 0x6402
    """A new PIN typed twice on a keypad was not the same (PC/SC part 10, 2.6.4)."""
    MEMORY_FAILURE = 0x6581
    WRONG_LENGTH = 0x6700
    SECURE_MESSAGING_NOT_SUPPORTED = 0x6882
    NOT_LOGGED_IN = 0x6982
    PIN_LOCKED = 0x6983
    NO_CHALLENGE = 0x6984
    CONDITIONS_NOT_SATISFIED = 0x6985
    MAC_MISSING = 0x6987
    MAC_WRONG = 0x6988
    WRONG_DATA = 0x6A80
    FUNCTION_NOT_SUPPORTED = 0x6A81
    NOT_FOUND = 0x6A82
    NO_ROOM = 0x6A84
    WRONG_P1_P2 = 0x6A86
    KEY_NOT_FOUND = 0x6A88
    ALREADY_EXISTS = 0x6A89
    MORE_DATA = 0x6A9E
    """More of the answer remains: send the same command again."""
    INS_NOT_SUPPORTED = 0x6D00
    CLA_NOT_SUPPORTED = 0x6E00
    # Private to this project (assumed): a dialect may map them otherwise.
    CANCELLED = 0x6FF0
    TIMED_OUT = 0x6FF1
    NOT_ACTIVATED = 0x6FF2
    INITIAL_PIN = 0x6FF3
    MESSAGE_REFUSED = 0x6FF4
    DIGEST_REFUSED = 0x6FF5
    BUSY = 0x6FF6
    ACTIVATION_USED_UP = 0x6FF7
    SECRET_ALGORITHM = 0x6FF8


_MEANINGS = {
    SW.OK: N_("done"),
    SW.VERIFICATION_FAILED: N_("the signature or cryptogram does not fit"),
    SW.NEW_PINS_DIFFER: N_("the new PIN was not typed the same twice"),
    SW.MEMORY_FAILURE: N_("the key's memory could not be written"),
    SW.WRONG_LENGTH: N_("the command has a wrong length"),
    SW.SECURE_MESSAGING_NOT_SUPPORTED: N_("this command takes no MAC"),
    SW.NOT_LOGGED_IN: N_("a PIN or device authentication is needed first"),
    SW.PIN_LOCKED: N_("the PIN is locked"),
    SW.NO_CHALLENGE: N_("ask for a random number just before"),
    SW.CONDITIONS_NOT_SATISFIED: N_("this is not possible in the key's present state"),
    SW.MAC_MISSING: N_("this command needs a MAC"),
    SW.MAC_WRONG: N_("the MAC is wrong"),
    SW.WRONG_DATA: N_("the command's data are wrong"),
    SW.FUNCTION_NOT_SUPPORTED: N_("the key does not support this function"),
    SW.NOT_FOUND: N_("there is no such application, container or file"),
    SW.NO_ROOM: N_("the key has no room for it"),
    SW.WRONG_P1_P2: N_("the command's parameters are wrong"),
    SW.KEY_NOT_FOUND: N_("there is no such key or certificate"),
    SW.ALREADY_EXISTS: N_("it exists already"),
    SW.MORE_DATA: N_("more data follow"),
    SW.INS_NOT_SUPPORTED: N_("the key does not know this command"),
    SW.CLA_NOT_SUPPORTED: N_("the key does not know this class of commands"),
    SW.CANCELLED: N_("cancelled on the key"),
    SW.TIMED_OUT: N_("timed out: nobody pressed OK on the key"),
    SW.NOT_ACTIVATED: N_("the key is not activated: enter its activation code first"),
    SW.INITIAL_PIN: N_("the initial PIN must be changed first"),
    SW.MESSAGE_REFUSED: N_("the key cannot show this message, so it does not sign it"),
    SW.DIGEST_REFUSED: N_("this key signs no ready digests: hand it the message"),
    SW.BUSY: N_("the key is busy with another request"),
    SW.SECRET_ALGORITHM: N_("SM1 and SSF33 are secret algorithms: this key does not have them"),
    SW.ACTIVATION_USED_UP: N_("no tries are left for the activation code: ask the bank for a new one"),
}


def describe(sw: int) -> str:
    """What a status word says, in English (a message of the catalogue)."""
    if sw & 0xFFF0 == SW.PIN_WRONG:
        return N_("wrong PIN or code")
    try:
        return _MEANINGS[SW(sw)]
    except (ValueError, KeyError):
        return N_("unknown status word")
