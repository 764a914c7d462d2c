"""Between a test's session and a real key: no try is spent, and nothing deleted, that the test was not allowed to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from emulator.control.journal import ApduRecord
from emulator.firmware.applets.gmt import COMMANDS
from hostdriver.transport import Transport
from protocols import pin, sm4
from protocols.apdu import ApduError, Command, encode_command, parse_command, parse_response
from protocols.dialect import Dialect
from protocols.gmt import (
    CLA_MAC,
    CLA_PLAIN,
    LONG_PIN_FIELD,
    PIN_FIELD,
    ActivationAction,
    ApplicationInfo,
    Ins,
    PinInfo,
    PinType,
)
from protocols.i18n import N_
from protocols.sw import SW, describe
from vukey_testing.errors import GuardError

_HANDLE = 2
_PIN_COMMANDS = (Ins.VERIFY_PIN, Ins.CHANGE_PIN, Ins.UNBLOCK_PIN)
_NEW_PINS = (Ins.CHANGE_PIN, Ins.UNBLOCK_PIN)
_CODE_ACTIONS = (ActivationAction.SUBMIT, ActivationAction.KEYPAD)
_CLA_ISO = 0x00
_HARMLESS_ISO = (0xA4, 0xC0)
"""SELECT and GET RESPONSE (ISO/IEC 7816-4)."""
_STATUS_LENGTH = 2
_WIPES = (
    Ins.DEV_AUTH,
    Ins.CHANGE_DEV_AUTH_KEY,
    Ins.SET_LABEL,
    Ins.CREATE_APPLICATION,
    Ins.DELETE_APPLICATION,
    Ins.CREATE_FILE,
    Ins.DELETE_FILE,
    Ins.WRITE_FILE,
    Ins.CREATE_CONTAINER,
    Ins.DELETE_CONTAINER,
    Ins.IMPORT_CERTIFICATE,
    Ins.GENERATE_RSA_KEY_PAIR,
    Ins.IMPORT_RSA_KEY_PAIR,
    Ins.GEN_ECC_KEY_PAIR,
    Ins.IMPORT_ECC_KEY_PAIR,
)
"""A key does not come back from these by itself: what they write stays, or what they delete is gone."""

_ONE_MAKERS = (Ins.EXT_RSA_PRI_KEY_OPERATION, Ins.EXT_RSA_PUB_KEY_OPERATION)
"""Private numbers (G29): where the dialect does not name them itself, they may be anything on a real key."""


class Allowance:
    """The tries that one test may spend on a real key, and those that it has spent.

    :param application: whose PIN it is; those of others are not known.
    :param user_pin: the key's PIN; None where nobody handed it over, so that any PIN may be wrong.
    :param refused: called when the key refuses that PIN: it must not be tried again.
    """

    def __init__(
        self, tries: int, application: str, user_pin: str | None, may_wipe: bool, refused: Callable[[], None]
    ) -> None:
        self.tries = tries
        self.application = application
        self.user_pin = user_pin
        self.may_wipe = may_wipe
        self.spent = 0
        self._refused = refused

    def refuse(self) -> None:
        """The key has refused the PIN that we know: so it is wrong."""
        self.spent += 1
        self.user_pin = None
        self._refused()

    def change(self, enciphered: bytes) -> None:
        """The key has a new user PIN, enciphered under the old one."""
        if self.user_pin is not None:
            self.user_pin = _deciphered(self.user_pin, enciphered).decode(errors="replace")


class Guard:
    """A transport that looks at every command before it is sent.

    VerifyPIN and ChangePIN are recomputed: one that carries the right user PIN costs no try and passes. Any other
    use of a PIN or code counts as a try until the key has taken it. What is no command of its dialect may be one of
    its maker's: it could do either, cost a try or change the key.

    :param identify: sees that a key is the one that was named, and raises if not.
    """

    def __init__(
        self,
        transport: Transport,
        dialect: Dialect,
        allowance: Allowance,
        identify: Callable[[Transport], None],
    ) -> None:
        self._transport = transport
        self._dialect = dialect
        self._allowance = allowance
        self._identify = identify
        self._one_at_a_time = threading.Lock()
        self._forget()
        self.records: list[ApduRecord] = []
        self.name = transport.name
        self.is_open = True

    def exchange(self, apdu: bytes) -> bytes:
        """One APDU.

        :raises GuardError: it was not sent: it could cost a try or the key's contents.
        """
        command = _parsed(apdu)
        with self._one_at_a_time:
            is_right = self._is_right(command)
            self._challenge = b""  # good for one use, and that by the next command (G11)
            self._check(command, is_right)
            is_try = not is_right and self._tries_a_secret(command)
            self._allowance.spent += is_try  # also of a key that is pulled out before it answers
            answer = self._send(apdu)
            data, sw = parse_response(answer)
            self._allowance.spent -= is_try and sw == SW.OK
            self._learn(command, is_right, data, sw)
        return answer

    def reset(self) -> bytes:
        """Reset the key; its ATR.

        :raises VukeyError: another key is in the reader now; the way to it is closed.
        """
        with self._one_at_a_time:
            self._forget()
            answer = self._transport.reset()
            try:
                self._identify(self._transport)
            except BaseException:
                self.close()
                raise
        return answer

    def close(self) -> None:
        """Leave the key."""
        self.is_open = False
        self._transport.close()

    def _forget(self) -> None:
        """What a reset undoes."""
        self._challenge = b""
        self._ours: set[bytes] = set()
        self._left: dict[tuple[bytes, int], int] = {}

    # Before a command

    def _check(self, command: Command, is_right: bool) -> None:
        if self._wipes(command, is_right) and not self._allowance.may_wipe:
            raise GuardError(
                N_("a test may not change what is on a real key without --allow-wipe: {name} was not sent"),
                name=_facts(command, self._dialect)[0],
            )
        if not self._tries_a_secret(command):
            return
        allowed = self._allowance.tries
        if not is_right and self._allowance.spent >= allowed:
            raise GuardError(
                N_(
                    "this could cost a try of a real key's PIN or code, and the test may spend {tries}: "
                    "@pytest.mark.vukey_spends_tries(n) allows more"
                ),
                tries=allowed,
            )
        left = self._tries_left(command)
        if left is not None and left <= allowed - self._allowance.spent + 1:
            raise GuardError(
                N_("too few tries are left on the real key ({left}) for a test that may spend {tries}"),
                left=left, tries=allowed,
            )  # fmt: skip

    def _tries_left(self, command: Command) -> int | None:
        """0 where the key has not told; None of a command that nobody knows."""
        if self._ins(command) in _PIN_COMMANDS:
            return self._left.get((command.data[:_HANDLE], self._pin_type(command)), 0)
        if self._ins(command) is not Ins.ACTIVATION:
            return None
        handles = command.data[: 2 * _HANDLE]
        ask = Command(CLA_PLAIN, command.ins, ActivationAction.STATUS, 0, handles, _STATUS_LENGTH)
        data, sw = parse_response(self._send(encode_command(ask)))
        return data[1] if sw == SW.OK and len(data) == _STATUS_LENGTH else 0

    def _wipes(self, command: Command, is_right: bool) -> bool:
        if self._ins(command) is Ins.ACTIVATION:
            return command.p1 not in (ActivationAction.STATUS, *_CODE_ACTIONS)
        if self._ins(command) in _NEW_PINS and self._dialect.line_mac == "none":
            return not is_right  # under a wrong PIN it is deciphered to one that nobody knows
        return self._ins(command) in _WIPES or self._is_unknown(command)

    def _tries_a_secret(self, command: Command) -> bool:
        if self._ins(command) is Ins.ACTIVATION:
            return command.p1 in _CODE_ACTIONS
        return self._ins(command) in _PIN_COMMANDS or self._is_unknown(command)

    def _is_unknown(self, command: Command) -> bool:
        """Also one of another class: of a logical channel, or one link of a chain (ISO/IEC 7816-4)."""
        if command.cla == _CLA_ISO:
            return command.ins not in _HARMLESS_ISO
        return self._ins(command) is None

    def _ins(self, command: Command) -> Ins | None:
        return _known(command, self._dialect)

    def _pin_type(self, command: Command) -> int:
        return PinType.ADMIN if self._ins(command) is Ins.UNBLOCK_PIN else command.p2

    def _is_right(self, command: Command) -> bool:
        """Whether it carries the user PIN that we know, under the challenge that the key has just given."""
        known, handle = self._allowance.user_pin, command.data[:_HANDLE]
        if known is None or handle not in self._ours or command[2:4] != (0, PinType.USER):
            return False
        if self._ins(command) is Ins.VERIFY_PIN and command.cla == CLA_PLAIN:
            return self._proves(known, command)
        if self._ins(command) is Ins.CHANGE_PIN and command.cla == CLA_MAC:
            return self._changes(known, command)
        return False

    def _proves(self, known: str, command: Command) -> bool:
        if len(self._challenge) != pin.CHALLENGE_LENGTH:
            return False
        key = pin.pin_key(known.encode())
        cryptogram = pin.verify_cryptogram(key, self._challenge, self._dialect.pin_block)
        return command.data[_HANDLE:] == cryptogram

    def _changes(self, known: str, command: Command) -> bool:
        """Without a MAC the key takes whatever it deciphers: then that must be a PIN, or it is lost for good."""
        end = self._end_of_new_pin(command)
        body, mac = command.data[:end], command.data[end:]
        if len(body) - _HANDLE not in (PIN_FIELD, LONG_PIN_FIELD):
            return False
        if self._dialect.line_mac == "none":
            return _is_pin(_deciphered(known, body[_HANDLE:]))
        if len(self._challenge) != pin.CHALLENGE_LENGTH:
            return False
        key = pin.pin_key(known.encode())
        return mac == pin.line_mac(key, self._challenge, command.header, body, self._dialect)

    def _end_of_new_pin(self, command: Command) -> int:
        return len(command.data) - pin.mac_length(self._dialect)

    # After it

    def _learn(self, command: Command, is_right: bool, data: bytes, sw: int) -> None:
        ins = self._ins(command)
        if ins is Ins.GEN_RANDOM and command.cla == CLA_PLAIN and sw == SW.OK:
            self._challenge = data
        if ins is Ins.OPEN_APPLICATION and sw == SW.OK:
            self._learn_handle(command.data, ApplicationInfo.decode(data, self._dialect).handle)
        if ins in _PIN_COMMANDS and _refuses(sw):
            self._left[command.data[:_HANDLE], self._pin_type(command)] = sw & 0xF if sw & 0xF0 == 0xC0 else 0
            if is_right:
                self._allowance.refuse()
        elif is_right and ins is Ins.CHANGE_PIN and sw == SW.OK:
            self._allowance.change(command.data[_HANDLE : self._end_of_new_pin(command)])

    def _learn_handle(self, application: bytes, handle: bytes) -> None:
        """Ask for its tries now, because between a challenge and its use there is room for nothing."""
        self._ours.discard(handle)
        if application == self._allowance.application.encode():
            self._ours.add(handle)
        for kind in PinType:
            number = self._dialect.number(Ins.GET_PIN_INFO)
            if number is None:
                return
            command = Command(CLA_PLAIN, number, 0, kind, handle, 3)
            data, sw = parse_response(self._send(encode_command(command)))
            if sw == SW.OK:
                self._left[handle, kind] = PinInfo.decode(data).left

    def _send(self, apdu: bytes) -> bytes:
        begun = time.monotonic()
        record = _record(len(self.records) + 1, begun, apdu, self._dialect)
        self.records.append(record)
        answer = self._transport.exchange(apdu)
        data, sw = parse_response(answer)
        self.records[record.number - 1] = replace(
            record,
            sw=sw,
            meaning=describe(sw),
            answer=None if record.data is None else data,
            answer_length=len(data),
            ms=(time.monotonic() - begun) * 1000,
            pending=False,
        )
        return answer


def _parsed(apdu: bytes) -> Command:
    """The command; what is none stands for an unknown one."""
    try:
        return parse_command(apdu)
    except ApduError:
        return Command(0xFF, 0xFF, data=apdu)


def _refuses(sw: int) -> bool:
    """63xx: a key of another maker may not say how many tries are left."""
    return sw >> 8 == SW.PIN_WRONG >> 8 or sw == SW.PIN_LOCKED


def _known(command: Command, dialect: Dialect) -> Ins | None:
    """What a command is by its dialect's numbers; None: nobody knows."""
    ins = dialect.command(command.ins) if command.cla in (CLA_PLAIN, CLA_MAC) else None
    if ins in _ONE_MAKERS and ins not in dialect.numbers:
        return None
    return ins if ins in COMMANDS else None


def _deciphered(known: str, enciphered: bytes) -> bytes:
    """A new PIN that was enciphered under one that we know."""
    return sm4.decrypt_blocks(pin.pin_key(known.encode()), enciphered).rstrip(b"\0")


def _is_pin(plain: bytes) -> bool:
    """Whether somebody could have chosen it: under a wrong key it would look like chance."""
    return bool(plain) and plain.isascii() and plain.decode().isprintable()


def _facts(command: Command, dialect: Dialect) -> tuple[str, bool]:
    """The command's name, and whether its data are secret; an unknown one's may be."""
    ins = _known(command, dialect)
    spec = None if ins is None else COMMANDS[ins]
    return (spec.title, spec.secret) if spec else (f"{command.cla:02X} {command.ins:02X}", True)


def _record(number: int, begun: float, apdu: bytes, dialect: Dialect) -> ApduRecord:
    command = _parsed(apdu)
    name, secret = _facts(command, dialect)
    data = None if secret else command.data
    return ApduRecord(number, begun, name, apdu[:4], len(command.data), command.le, data)
