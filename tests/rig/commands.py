"""Commands in the raw: a valid call of each, for tests that then spoil one thing at a time."""

from __future__ import annotations

from typing import NamedTuple

from emulator.firmware.applets.gmt import COMMANDS
from emulator.firmware.applets.gmt.table import Need
from protocols import pin, sm4
from protocols.apdu import Command, encode_command
from protocols.gmt import CLA_MAC, BlockCipher, Ins, Mode, SymmetricAlgorithm
from tests.rig.key import CERTIFICATE, KeyRig
from tests.rig.patience import PATIENCE_S

NOBODY = b"\xff\xff"
"""A handle that was never given out."""
SESSION_KEY = bytes(range(16))
SESSION_KEY_ALGORITHM = SymmetricAlgorithm(BlockCipher.SM4, Mode.CBC)


class Caller:
    """Calls commands on a key where everything is fulfilled but, if so wished, one precondition.

    :param lacks: what is missing; the key takes its initial PIN back if it is to lack PIN_CHANGED.
    """

    def __init__(self, rig: KeyRig, lacks: Need | None = None) -> None:
        self.rig = rig
        self.user_pin = rig.user_pin
        session, application = rig.session, rig.log_in()
        self.application = application.handle
        empty = session.create_container(application, "empty")
        self.containers = {"empty": empty.handle}
        self.key_id = session.set_symmetric_key(SESSION_KEY_ALGORITHM, SESSION_KEY, empty).key_id
        for name in ("rsa", "sm2"):
            if getattr(rig.profile.containers, name):
                self.containers[name] = rig.container(name).handle
        if lacks is Need.ACTIVATED:
            for name in ("rsa", "sm2"):
                session.import_certificate(rig.container(name), CERTIFICATE)
        if lacks in (Need.PIN_CHANGED, Need.ISSUER_OR_PIN_CHANGED):
            self.user_pin = rig.profile.pin.user.initial
            session.change_pin(application, rig.user_pin, self.user_pin)
        if lacks is Need.USER_PIN:
            session.clear_secure_state(application)
        if lacks not in (Need.DEVICE_AUTH, Need.ISSUER_OR_PIN_CHANGED):
            rig.authenticate_device()
        if lacks is Need.APPLICATION:
            self.application = NOBODY
        if lacks is Need.CONTAINER:
            self.containers = dict.fromkeys(self.containers, NOBODY)
        if lacks is Need.SESSION_KEY:
            self.key_id = NOBODY

    def at(self, container: str = "sm2") -> bytes:
        """Both handles."""
        return self.application + self.containers[container]

    @property
    def at_key(self) -> bytes:
        """The handles of the session key."""
        return self.at("empty") + self.key_id

    def call(self, ins: Ins, data: bytes = b"", p1: int = 0, p2: int = 0, le: int | None = 0x10000) -> int:
        """The status word; the person confirms whatever the key asks."""
        self.begin(ins, data, p1, p2, le)
        if self.rig.asks:
            self.rig.page_and_press_ok()
        return self.end()

    def begin(self, ins: Ins, data: bytes = b"", p1: int = 0, p2: int = 0, le: int | None = 0x10000) -> None:
        """Send a command; return when it is answered or the key asks."""
        number = self.rig.session.dialect.number(ins)
        assert number is not None
        apdu = encode_command(Command(COMMANDS[ins].cla, number, p1, p2, data, le))
        self._answer = self.rig.start(self.rig.status, apdu)

    def end(self) -> int:
        """The status word of what `begin` sent."""
        return self._answer.result(PATIENCE_S)

    def challenge(self, size: int = pin.CHALLENGE_LENGTH) -> bytes:
        """GenRandom."""
        return self.rig.session.random(size)

    def protected(self, ins: Ins, opener: str, new: bytes = b"628318", p2: int = 0, width: int = 16) -> bytes:
        """A new PIN under a MAC, as ChangePIN and UnblockPIN carry it (G9, G10)."""
        key, challenge = pin.pin_key(opener.encode()), self.challenge()
        body = self.application + sm4.encrypt_blocks(key, pin.padded_pin(new, width))
        return body + pin.line_mac(key, challenge, bytes((CLA_MAC, ins, 0, p2)), body)

    def pin_cryptogram(self, value: str) -> bytes:
        """What VerifyPIN carries (G8)."""
        return self.application + pin.verify_cryptogram(pin.pin_key(value.encode()), self.challenge())


class Call(NamedTuple):
    """Data and parameters of a call."""

    data: bytes = b""
    p1: int = 0
    p2: int = 0
