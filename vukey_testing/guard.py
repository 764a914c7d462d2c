"""Between a test's session and a real key: no try is spent, and nothing deleted, that the test was not allowed to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace

from emulator.control.journal import ApduRecord
from emulator.firmware.applets.gmt import COMMANDS
from hostdriver.transport import Transport
from protocols import pin
from protocols.apdu import ApduError, Command, encode_command, parse_command, parse_response
from protocols.dialect import Dialect
from protocols.gmt import CLA_MAC, CLA_PLAIN, ActivationAction, ApplicationInfo, Ins, PinInfo, PinType
from protocols.i18n import N_
from protocols.sw import SW, describe
from vukey_testing.errors import GuardError

_HANDLE = 2
_PIN_COMMANDS = (Ins.VERIFY_PIN, Ins.CHANGE_PIN, Ins.UNBLOCK_PIN)
_CODE_ACTIONS = (ActivationAction.SUBMIT, ActivationAction.KEYPAD)
_CLA_ISO = 0x00
_HARMLESS_ISO = (0xA4, 0xC0)
"""SELECT and GET RESPONSE (ISO/IEC 7816-4)."""
_STATUS_LENGTH = 2
_KNOWN = COMMANDS.keys() - {Ins.ACTIVATION}
"""Whose number is the same in every dialect."""
_WIPES = (
    Ins.DEV_AUTH,
    Ins.SET_LABEL,
    Ins.CREATE_APPLICATION,
    Ins.DELETE_APPLICATION,
    Ins.CREATE_CONTAINER,
    Ins.DELETE_CONTAINER,
    Ins.IMPORT_CERTIFICATE,
    Ins.GENERATE_RSA_KEY_PAIR,
    Ins.GEN_ECC_KEY_PAIR,
)
"""The issuer's commands: a key does not come back from them by itself."""


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
            plain = pin.decrypt_blocks(pin.pin_key(self.user_pin.encode()), enciphered)
            self.user_pin = plain.rstrip(b"\0").decode(errors="replace")


class Guard:
    """A transport that looks at every command before it is sent.

    VerifyPIN and ChangePIN are recomputed: one that carries the right user PIN costs no try and passes. Any other
    use of a PIN or code counts as a try until the key has taken it. What is no command that we know may be one of
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
        if self._wipes(command) and not self._allowance.may_wipe:
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
        if self._is_of(_PIN_COMMANDS, command):
            return self._left.get((command.data[:_HANDLE], _pin_type(command)), 0)
        if not self._is_activation(command):
            return None
        handles = command.data[: 2 * _HANDLE]
        ask = Command(CLA_PLAIN, command.ins, ActivationAction.STATUS, 0, handles, _STATUS_LENGTH)
        data, sw = parse_response(self._send(encode_command(ask)))
        return data[1] if sw == SW.OK and len(data) == _STATUS_LENGTH else 0

    def _wipes(self, command: Command) -> bool:
        if self._is_activation(command):
            return command.p1 not in (ActivationAction.STATUS, *_CODE_ACTIONS)
        return self._is_of(_WIPES, command) or self._is_unknown(command)

    def _tries_a_secret(self, command: Command) -> bool:
        if self._is_activation(command):
            return command.p1 in _CODE_ACTIONS
        return self._is_of(_PIN_COMMANDS, command) or self._is_unknown(command)

    def _is_unknown(self, command: Command) -> bool:
        """Also one of another class: of a logical channel, or one link of a chain (ISO/IEC 7816-4)."""
        if command.cla == _CLA_ISO:
            return command.ins not in _HARMLESS_ISO
        return not (self._is_of(_KNOWN, command) or self._is_activation(command))

    def _is_activation(self, command: Command) -> bool:
        return self._is_of((self._dialect.activation_ins,), command)

    def _is_of(self, numbers: Collection[int], command: Command) -> bool:
        return command.cla in (CLA_PLAIN, CLA_MAC) and command.ins in numbers

    def _is_right(self, command: Command) -> bool:
        """Whether it carries the user PIN that we know, under the challenge that the key has just given."""
        known = self._allowance.user_pin
        key, data = pin.pin_key((known or "").encode()), command.data
        is_ours = known is not None and data[:_HANDLE] in self._ours and command[2:4] == (0, PinType.USER)
        if not is_ours or len(self._challenge) != pin.CHALLENGE_LENGTH:
            return False
        if command.ins == Ins.VERIFY_PIN and command.cla == CLA_PLAIN:
            return data[_HANDLE:] == pin.verify_cryptogram(key, self._challenge, self._dialect.pin_block)
        if command.ins == Ins.CHANGE_PIN and command.cla == CLA_MAC:
            header = bytes((command.cla, command.ins, command.p1, command.p2))
            body, mac = data[: -pin.MAC_LENGTH], data[-pin.MAC_LENGTH :]
            return mac == pin.line_mac(key, self._challenge, header, body)
        return False

    # After it

    def _learn(self, command: Command, is_right: bool, data: bytes, sw: int) -> None:
        if command[:2] == (CLA_PLAIN, Ins.GEN_RANDOM) and sw == SW.OK:
            self._challenge = data
        if self._is_of((Ins.OPEN_APPLICATION,), command) and sw == SW.OK:
            self._learn_handle(command.data, ApplicationInfo.decode(data, self._dialect).handle)
        if self._is_of(_PIN_COMMANDS, command) and _refuses(sw):
            self._left[command.data[:_HANDLE], _pin_type(command)] = sw & 0xF if sw & 0xF0 == 0xC0 else 0
            if is_right:
                self._allowance.refuse()
        elif is_right and self._is_of((Ins.CHANGE_PIN,), command) and sw == SW.OK:
            self._allowance.change(command.data[_HANDLE : -pin.MAC_LENGTH])

    def _learn_handle(self, application: bytes, handle: bytes) -> None:
        """Ask for its tries now, because between a challenge and its use there is room for nothing."""
        self._ours.discard(handle)
        if application == self._allowance.application.encode():
            self._ours.add(handle)
        for kind in PinType:
            command = Command(CLA_PLAIN, Ins.GET_PIN_INFO, 0, kind, handle, 3)
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


def _pin_type(command: Command) -> int:
    return PinType.ADMIN if command.ins == Ins.UNBLOCK_PIN else command.p2


def _facts(command: Command, dialect: Dialect) -> tuple[str, bool]:
    """The command's name, and whether its data are secret; an unknown one's may be."""
    ins = Ins.ACTIVATION if command.ins == dialect.activation_ins else command.ins
    spec = COMMANDS.get(ins) if command.cla in (CLA_PLAIN, CLA_MAC) else None
    return (spec.title, spec.secret) if spec else (f"{command.cla:02X} {command.ins:02X}", True)


def _record(number: int, begun: float, apdu: bytes, dialect: Dialect) -> ApduRecord:
    command = _parsed(apdu)
    name, secret = _facts(command, dialect)
    data = None if secret else command.data
    return ApduRecord(number, begun, name, apdu[:4], len(command.data), command.le, data)
