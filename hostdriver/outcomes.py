"""The one table of what a key can answer: status word, SKF code, PKCS#11 code, and the error that each becomes.

docs/errors.md and its Chinese twin are made of it. Where a library's code stands in several rows, the first is what
it is read as.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, unique
from typing import NamedTuple

from hostdriver.errors import (
    Exit,
    HostError,
    KeyRemovedError,
    NewPinRefusedError,
    PinIncorrectError,
    error_for,
)
from protocols.i18n import N_
from protocols.sw import SW


@unique
class Sar(IntEnum):
    """GM/T 0016 annex A. From 33 on makers' additions, and 0B000011 a plug-in layer's (both assumed)."""

    OK = 0
    FAIL = 0x0A000001
    UNKNOWNERR = 0x0A000002
    NOTSUPPORTYETERR = 0x0A000003
    FILEERR = 0x0A000004
    INVALIDHANDLEERR = 0x0A000005
    INVALIDPARAMERR = 0x0A000006
    READFILEERR = 0x0A000007
    WRITEFILEERR = 0x0A000008
    NAMELENERR = 0x0A000009
    KEYUSAGEERR = 0x0A00000A
    MODULUSLENERR = 0x0A00000B
    NOTINITIALIZEERR = 0x0A00000C
    OBJERR = 0x0A00000D
    MEMORYERR = 0x0A00000E
    TIMEOUTERR = 0x0A00000F
    INDATALENERR = 0x0A000010
    INDATAERR = 0x0A000011
    GENRANDERR = 0x0A000012
    HASHOBJERR = 0x0A000013
    HASHERR = 0x0A000014
    GENRSAKEYERR = 0x0A000015
    RSAMODULUSLENERR = 0x0A000016
    CSPIMPRTPUBKEYERR = 0x0A000017
    RSAENCERR = 0x0A000018
    RSADECERR = 0x0A000019
    HASHNOTEQUALERR = 0x0A00001A
    KEYNOTFOUNTERR = 0x0A00001B
    CERTNOTFOUNTERR = 0x0A00001C
    NOTEXPORTERR = 0x0A00001D
    DECRYPTPADERR = 0x0A00001E
    MACLENERR = 0x0A00001F
    BUFFER_TOO_SMALL = 0x0A000020
    KEYINFOTYPEERR = 0x0A000021
    NOT_EVENTERR = 0x0A000022
    DEVICE_REMOVED = 0x0A000023
    PIN_INCORRECT = 0x0A000024
    PIN_LOCKED = 0x0A000025
    PIN_INVALID = 0x0A000026
    PIN_LEN_RANGE = 0x0A000027
    USER_ALREADY_LOGGED_IN = 0x0A000028
    USER_PIN_NOT_INITIALIZED = 0x0A000029
    USER_TYPE_INVALID = 0x0A00002A
    APPLICATION_NAME_INVALID = 0x0A00002B
    APPLICATION_EXISTS = 0x0A00002C
    USER_NOT_LOGGED_IN = 0x0A00002D
    APPLICATION_NOT_EXISTS = 0x0A00002E
    FILE_ALREADY_EXIST = 0x0A00002F
    NO_ROOM = 0x0A000030
    FILE_NOT_EXIST = 0x0A000031
    REACH_MAX_CONTAINER_COUNT = 0x0A000032
    AUTH_BLOCKED = 0x0A000033
    INVALIDCONTAINER = 0x0A000035
    CONTAINER_NOT_EXISTS = 0x0A000036
    CONTAINER_EXISTS = 0x0A000037
    APP_IS_NOT_ACTIVE = 0x0A00003D
    CANCELLED = 0x0B000011


@unique
class Ckr(IntEnum):
    """PKCS#11's return values (v3.0 §5.1): those that say something of the key or the person, and what we look for."""

    OK = 0x000
    HOST_MEMORY = 0x002
    SLOT_ID_INVALID = 0x003
    GENERAL_ERROR = 0x005
    FUNCTION_FAILED = 0x006
    ARGUMENTS_BAD = 0x007
    NO_EVENT = 0x008
    NEED_TO_CREATE_THREADS = 0x009
    CANT_LOCK = 0x00A
    ATTRIBUTE_READ_ONLY = 0x010
    ATTRIBUTE_SENSITIVE = 0x011
    ATTRIBUTE_TYPE_INVALID = 0x012
    ATTRIBUTE_VALUE_INVALID = 0x013
    ACTION_PROHIBITED = 0x01B
    DATA_INVALID = 0x020
    DATA_LEN_RANGE = 0x021
    DEVICE_ERROR = 0x030
    DEVICE_MEMORY = 0x031
    DEVICE_REMOVED = 0x032
    FUNCTION_CANCELED = 0x050
    FUNCTION_NOT_SUPPORTED = 0x054
    KEY_HANDLE_INVALID = 0x060
    KEY_SIZE_RANGE = 0x062
    KEY_TYPE_INCONSISTENT = 0x063
    KEY_FUNCTION_NOT_PERMITTED = 0x068
    MECHANISM_INVALID = 0x070
    MECHANISM_PARAM_INVALID = 0x071
    OBJECT_HANDLE_INVALID = 0x082
    OPERATION_ACTIVE = 0x090
    PIN_INCORRECT = 0x0A0
    PIN_INVALID = 0x0A1
    PIN_LEN_RANGE = 0x0A2
    PIN_EXPIRED = 0x0A3
    PIN_LOCKED = 0x0A4
    SESSION_CLOSED = 0x0B0
    SESSION_COUNT = 0x0B1
    SESSION_HANDLE_INVALID = 0x0B3
    SESSION_READ_ONLY = 0x0B5
    SIGNATURE_INVALID = 0x0C0
    SIGNATURE_LEN_RANGE = 0x0C1
    TEMPLATE_INCOMPLETE = 0x0D0
    TEMPLATE_INCONSISTENT = 0x0D1
    TOKEN_NOT_PRESENT = 0x0E0
    TOKEN_NOT_RECOGNIZED = 0x0E1
    TOKEN_WRITE_PROTECTED = 0x0E2
    USER_ALREADY_LOGGED_IN = 0x100
    USER_NOT_LOGGED_IN = 0x101
    USER_PIN_NOT_INITIALIZED = 0x102
    USER_ANOTHER_ALREADY_LOGGED_IN = 0x104
    BUFFER_TOO_SMALL = 0x150
    CRYPTOKI_NOT_INITIALIZED = 0x190
    CRYPTOKI_ALREADY_INITIALIZED = 0x191
    PIN_TOO_WEAK = 0x1B8
    FUNCTION_REJECTED = 0x200


class Outcome(NamedTuple):
    """A row: what it means, and who says it how.

    :param meaning: in short, for the page.
    :param bank: number and text of one bank's published interface for mobile keys (source B); empty: it has none.
    :param sw: None: no key answers that.
    :param sars: the first is what libskf_vukey answers; INDATAERR and the like stand in several rows.
    """

    meaning: str
    bank: str
    sw: int | None
    sars: tuple[Sar, ...]
    ckrs: tuple[Ckr, ...]

    def error(self, left: int | None = None) -> HostError:
        """What a program raises.

        :param left: tries, where the library told them.
        """
        if self.sw == SW.PIN_WRONG:
            return PinIncorrectError(left)
        if self is NEW_PIN_REFUSED:
            return NewPinRefusedError(SW.WRONG_DATA)
        if self.sw is None:
            return KeyRemovedError(N_("the key is gone: plug it in and begin again"))
        return error_for(self.sw)

    @property
    def exit_code(self) -> Exit:
        """Of ``vukey``."""
        return self.error().exit_code


NEW_PIN_REFUSED = Outcome(
    "the new PIN breaks the key's rules",
    "15 PIN length, 16 PIN too simple",
    SW.WRONG_DATA,
    (Sar.PIN_INVALID, Sar.PIN_LEN_RANGE),
    (Ckr.PIN_INVALID, Ckr.PIN_LEN_RANGE, Ckr.PIN_TOO_WEAK),
)
OUTCOMES = (
    Outcome("wrong PIN", "5 wrong PIN", SW.PIN_WRONG, (Sar.PIN_INCORRECT,), (Ckr.PIN_INCORRECT,)),
    Outcome("the PIN is locked", "0B PIN locked", SW.PIN_LOCKED, (Sar.PIN_LOCKED,), (Ckr.PIN_LOCKED,)),
    Outcome(
        "the initial PIN must be changed first",
        "12 default PIN",
        SW.INITIAL_PIN,
        (Sar.USER_PIN_NOT_INITIALIZED,),
        (Ckr.PIN_EXPIRED, Ckr.USER_PIN_NOT_INITIALIZED),
    ),
    NEW_PIN_REFUSED,
    Outcome(
        "a new PIN was typed in two ways",
        "20 new and confirmed PIN differ",
        SW.NEW_PINS_DIFFER,
        (Sar.PIN_INVALID,),
        (),
    ),
    Outcome(
        "nobody has logged in", "", SW.NOT_LOGGED_IN, (Sar.USER_NOT_LOGGED_IN,), (Ckr.USER_NOT_LOGGED_IN,)
    ),
    Outcome(
        "cancelled on the key",
        "6 user cancelled",
        SW.CANCELLED,
        (Sar.CANCELLED,),
        (Ckr.FUNCTION_CANCELED, Ckr.FUNCTION_REJECTED),
    ),
    Outcome("nobody pressed OK in time", "7 timeout", SW.TIMED_OUT, (Sar.TIMEOUTERR,), ()),
    Outcome("the key is not activated", "", SW.NOT_ACTIVATED, (Sar.APP_IS_NOT_ACTIVE,), ()),
    Outcome("no tries are left for the activation code", "", SW.ACTIVATION_USED_UP, (Sar.AUTH_BLOCKED,), ()),
    Outcome("wrong data", "4 bad parameter", SW.WRONG_DATA, (Sar.INDATAERR,), (Ckr.DATA_INVALID,)),
    Outcome("data of a wrong length", "", SW.WRONG_LENGTH, (Sar.INDATALENERR,), (Ckr.DATA_LEN_RANGE,)),
    Outcome("the key cannot show the message", "", SW.MESSAGE_REFUSED, (Sar.INDATAERR,), (Ckr.DATA_INVALID,)),
    Outcome(
        "no such command or function",
        "",
        SW.INS_NOT_SUPPORTED,
        (Sar.NOTSUPPORTYETERR,),
        (Ckr.FUNCTION_NOT_SUPPORTED, Ckr.MECHANISM_INVALID, Ckr.ACTION_PROHIBITED),
    ),
    Outcome(
        "this key signs no ready digests",
        "",
        SW.DIGEST_REFUSED,
        (Sar.NOTSUPPORTYETERR,),
        (Ckr.FUNCTION_NOT_SUPPORTED,),
    ),
    Outcome(
        "SM1 and SSF33 are secret", "", SW.SECRET_ALGORITHM, (Sar.NOTSUPPORTYETERR,), (Ckr.MECHANISM_INVALID,)
    ),
    Outcome("the key is busy", "3 busy", SW.BUSY, (Sar.TIMEOUTERR,), (Ckr.OPERATION_ACTIVE,)),
    Outcome(
        "no such application, container or file",
        "",
        SW.NOT_FOUND,
        (Sar.CONTAINER_NOT_EXISTS, Sar.APPLICATION_NOT_EXISTS, Sar.FILE_NOT_EXIST, Sar.INVALIDCONTAINER),
        (),
    ),
    Outcome(
        "no such key or certificate",
        "8 no certificate",
        SW.KEY_NOT_FOUND,
        (Sar.KEYNOTFOUNTERR, Sar.CERTNOTFOUNTERR),
        (Ckr.KEY_HANDLE_INVALID, Ckr.OBJECT_HANDLE_INVALID),
    ),
    Outcome(
        "it exists already",
        "",
        SW.ALREADY_EXISTS,
        (Sar.CONTAINER_EXISTS, Sar.APPLICATION_EXISTS, Sar.FILE_ALREADY_EXIST),
        (),
    ),
    Outcome("no room", "", SW.NO_ROOM, (Sar.NO_ROOM, Sar.REACH_MAX_CONTAINER_COUNT), (Ckr.DEVICE_MEMORY,)),
    Outcome(
        "a signature or cryptogram does not fit",
        "",
        SW.VERIFICATION_FAILED,
        (Sar.HASHNOTEQUALERR,),
        (Ckr.SIGNATURE_INVALID, Ckr.SIGNATURE_LEN_RANGE),
    ),
    Outcome(
        "the key is gone",
        "2 no device, 14 disconnected",
        None,
        (Sar.DEVICE_REMOVED,),
        (
            Ckr.DEVICE_REMOVED,
            Ckr.TOKEN_NOT_PRESENT,
            Ckr.TOKEN_NOT_RECOGNIZED,
            Ckr.SLOT_ID_INVALID,
            Ckr.SESSION_CLOSED,
            Ckr.SESSION_HANDLE_INVALID,
        ),
    ),
)


def outcome_of_sar(code: int) -> Outcome | None:
    """The row that an SKF library's code is read as; None: the code has none."""
    return _first(outcome for outcome in OUTCOMES if code in outcome.sars)


def outcome_of_ckr(code: int) -> Outcome | None:
    """The row that a PKCS#11 module's value is read as; None: the value has none."""
    return _first(outcome for outcome in OUTCOMES if code in outcome.ckrs)


def _first(outcomes: Iterable[Outcome]) -> Outcome | None:
    return next(iter(outcomes), None)
