"""Commands in the raw: a valid call of each, for tests that then spoil one thing at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pkcs1_15

from emulator.firmware.applets.gmt import COMMANDS
from emulator.firmware.applets.gmt.table import Need
from protocols import pin
from protocols.apdu import Command, encode_command
from protocols.fields import u16, u32
from protocols.gmt import CLA_MAC, DEV_AUTH_SM4, Ins, PinType
from protocols.sm2 import PublicKey
from tests.rig.key import CERTIFICATE, KeyRig, new_application, verifier
from tests.rig.messages import TRANSFER, VECTORS
from tests.rig.verifiers import sm2_digest

NOBODY = b"\xff\xff"
"""A handle that was never given out."""


class Caller:
    """Calls commands on a key where everything is fulfilled but, if so wished, one precondition.

    :param lacks: what is missing; the key takes its initial PIN back if it is to lack PIN_CHANGED.
    """

    def __init__(self, rig: KeyRig, lacks: Need | None = None) -> None:
        self.rig = rig
        self.user_pin = rig.user_pin
        session, application = rig.session, rig.log_in()
        self.application = application.handle
        self.containers = {"empty": session.create_container(application, "empty").handle}
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

    def at(self, container: str = "sm2") -> bytes:
        """Both handles."""
        return self.application + self.containers[container]

    def call(self, ins: Ins, data: bytes = b"", p1: int = 0, p2: int = 0, le: int | None = 0x10000) -> int:
        """The status word; the person confirms whatever the key asks."""
        self.begin(ins, data, p1, p2, le)
        if self.rig.asks:
            self.rig.page_and_press_ok()
        return self.end()

    def begin(self, ins: Ins, data: bytes = b"", p1: int = 0, p2: int = 0, le: int | None = 0x10000) -> None:
        """Send a command; return when it is answered or the key asks."""
        apdu = encode_command(Command(COMMANDS[ins].cla, ins, p1, p2, data, le))
        self._answer = self.rig.start(self.rig.status, apdu)

    def end(self) -> int:
        """The status word of what `begin` sent."""
        return self._answer.result(30)

    def good(self, ins: Ins) -> int:
        """The valid call of a command."""
        return self.call(ins, *GOOD[ins](self))

    def challenge(self, size: int = pin.CHALLENGE_LENGTH) -> bytes:
        """GenRandom."""
        return self.rig.session.random(size)

    def protected(self, ins: Ins, opener: str, new: bytes = b"628318", p2: int = 0, width: int = 16) -> bytes:
        """A new PIN under a MAC, as ChangePIN and UnblockPIN carry it (G9, G10)."""
        key, challenge = pin.pin_key(opener.encode()), self.challenge()
        body = self.application + pin.encrypt_blocks(key, pin.padded_pin(new, width))
        return body + pin.line_mac(key, challenge, bytes((CLA_MAC, ins, 0, p2)), body)

    def pin_cryptogram(self, value: str) -> bytes:
        """What VerifyPIN carries (G8)."""
        return self.application + pin.verify_cryptogram(pin.pin_key(value.encode()), self.challenge())


class Call(NamedTuple):
    """Data and parameters of a call."""

    data: bytes = b""
    p1: int = 0
    p2: int = 0


def counted(data: bytes) -> bytes:
    """A length of four bytes and the data."""
    return u32(len(data)) + data


def rsa_signed(bits: int = 1024) -> bytes:
    """A key and a signature of pycryptodome, as RSAVerify carries them."""
    pair = RSA.generate(bits)
    signature = pkcs1_15.new(pair).sign(SHA256.new(TRANSFER))
    return u32(bits) + pair.n.to_bytes(bits // 8) + u32(pair.e) + counted(TRANSFER) + counted(signature)


def sm2_signed() -> tuple[bytes, bytes, bytes]:
    """Point, digest and signature of a real display key (tests/vectors)."""
    vector = json.loads((VECTORS / "display-key.json").read_text())
    key = PublicKey(int(vector["x"], 16), int(vector["y"], 16))
    digest = sm2_digest(key, (VECTORS / "display-key.xml").read_bytes())
    return key.encode(), digest, bytes.fromhex(vector["r"] + vector["s"])


def ecc_verify(point: bytes, digest: bytes, signature: bytes, bits: int = 256) -> bytes:
    """What ECCVerify carries."""
    return u32(bits) + point + counted(digest) + signature


GOOD: dict[Ins, Callable[[Caller], Call]] = {
    Ins.SET_LABEL: lambda k: Call("标签".encode()),
    Ins.GET_DEV_INFO: lambda k: Call(),
    Ins.GEN_RANDOM: lambda k: Call(),
    Ins.DEV_AUTH: lambda k: Call(
        pin.device_cryptogram(k.rig.profile.device_auth_key, k.challenge(16)), p2=DEV_AUTH_SM4
    ),
    Ins.GET_PIN_INFO: lambda k: Call(k.application, p2=PinType.USER),
    Ins.VERIFY_PIN: lambda k: Call(k.pin_cryptogram(k.user_pin), p2=PinType.USER),
    Ins.CHANGE_PIN: lambda k: Call(k.protected(Ins.CHANGE_PIN, k.user_pin, p2=1), p2=PinType.USER),
    Ins.UNBLOCK_PIN: lambda k: Call(k.protected(Ins.UNBLOCK_PIN, k.rig.profile.pin.admin.initial)),
    Ins.CLEAR_SECURE_STATE: lambda k: Call(k.application),
    Ins.CREATE_APPLICATION: lambda k: Call(new_application(k.rig.profile, "NEW").encode()),
    Ins.ENUM_APPLICATION: lambda k: Call(),
    Ins.DELETE_APPLICATION: lambda k: Call(k.rig.profile.application.encode()),
    Ins.OPEN_APPLICATION: lambda k: Call(k.rig.profile.application.encode()),
    Ins.CLOSE_APPLICATION: lambda k: Call(k.application),
    Ins.CREATE_CONTAINER: lambda k: Call(k.application + b"new"),
    Ins.OPEN_CONTAINER: lambda k: Call(k.application + b"empty"),
    Ins.CLOSE_CONTAINER: lambda k: Call(k.at()),
    Ins.ENUM_CONTAINER: lambda k: Call(k.application),
    Ins.DELETE_CONTAINER: lambda k: Call(k.application + b"empty"),
    Ins.GET_CONTAINER_INFO: lambda k: Call(k.application + b"empty"),
    Ins.IMPORT_CERTIFICATE: lambda k: Call(k.at() + b"\1" + counted(CERTIFICATE)),
    Ins.EXPORT_CERTIFICATE: lambda k: Call(k.at(), p1=1),
    Ins.GENERATE_RSA_KEY_PAIR: lambda k: Call(k.at("empty") + u16(1024)),
    Ins.GEN_ECC_KEY_PAIR: lambda k: Call(k.at("empty") + u32(256)),
    Ins.EXPORT_PUBLIC_KEY: lambda k: Call(k.at(), p1=1),
    Ins.RSA_SIGN_DATA: lambda k: Call(k.at("rsa") + TRANSFER, p1=1),
    Ins.ECC_SIGN_DATA: lambda k: Call(k.at() + TRANSFER, p1=1),
    Ins.RSA_VERIFY: lambda k: Call(rsa_signed(), p1=1),
    Ins.ECC_VERIFY: lambda k: Call(ecc_verify(*sm2_signed())),
    Ins.ACTIVATION: lambda k: Call(k.at() + verifier(k.rig.profile).encode(), p1=3),
}
