"""A valid call of every command."""

from __future__ import annotations

import json
from collections.abc import Callable

from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pkcs1_15

from protocols import pin
from protocols.fields import counted, u16, u32
from protocols.gmt import DEV_AUTH_SM4, Ins, PinType
from protocols.sm2 import PublicKey
from tests.rig.commands import Call, Caller
from tests.rig.good_access import GOOD_ACCESS
from tests.rig.good_objects import OBJECTS
from tests.rig.good_session_keys import GOOD_SESSION_KEYS
from tests.rig.key import CERTIFICATE, new_application, verifier
from tests.rig.messages import TRANSFER, VECTORS
from tests.rig.verifiers import sm2_digest


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
    Ins.EXT_ECC_VERIFY: lambda k: Call(ecc_verify(*sm2_signed())),
    Ins.ACTIVATION: lambda k: Call(k.at() + verifier(k.rig.profile).encode(), p1=3),
}
GOOD |= GOOD_ACCESS
GOOD |= OBJECTS
GOOD |= GOOD_SESSION_KEYS


def good(caller: Caller, ins: Ins) -> int:
    """The status word of the valid call of a command."""
    return caller.call(ins, *GOOD[ins](caller))
