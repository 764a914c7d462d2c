"""Every refusal in the last column of docs/commands.md, provoked (G13, G20-G22).

One table: command, status word, what provokes it. A test holds it against the firmware's table, so that a refusal
can neither be documented without being driven, nor (by `test_commands`) driven without being documented.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from emulator.firmware.applets.gmt import COMMANDS
from protocols.fields import u16, u32
from protocols.gmt import Ins, PinType
from protocols.sw import SW
from tests.rig import (
    refusals_access,  # noqa: F401 - enters its cases
    refusals_objects,  # noqa: F401 - its scenarios enter themselves
    refusals_session_keys,  # noqa: F401 - its scenarios enter themselves
)
from tests.rig.commands import Call, Caller
from tests.rig.good import ecc_verify, rsa_signed, sm2_signed
from tests.rig.key import CERTIFICATE, KeyRig, activation_code, new_application, verifier
from tests.rig.messages import TRANSFER
from tests.rig.refusals import BAD_UTF8, CASES, KINDS, WRONG_PIN, refusal, sent, unanswered

# Device

sent(Ins.SET_LABEL, SW.WRONG_DATA, lambda k: Call(BAD_UTF8))
refusal(Ins.GEN_RANDOM, SW.WRONG_LENGTH)(lambda k: k.call(Ins.GEN_RANDOM, le=None))

# PINs: a failed try each, until it is locked


def new_user_pin(
    new: bytes = b"628318", opener: str | None = None, width: int = 16
) -> Callable[[Caller], Call]:
    def call(k: Caller) -> Call:
        return Call(k.protected(Ins.CHANGE_PIN, opener or k.user_pin, new, 1, width), p2=PinType.USER)

    return call


def unblocking(
    new: bytes = b"628318", opener: str | None = None, width: int = 16
) -> Callable[[Caller], Call]:
    def call(k: Caller) -> Call:
        admin_pin = opener or k.rig.profile.pin.admin.initial
        return Call(k.protected(Ins.UNBLOCK_PIN, admin_pin, new, 0, width))

    return call


def used_challenge(call: Callable[[Caller], Call]) -> Callable[[Caller], Call]:
    """The same data, when the key has forgotten its challenge."""

    def late(k: Caller) -> Call:
        data = call(k)
        k.challenge(16)
        return data

    return late


def verifying(value: str | None = None) -> Callable[[Caller], Call]:
    return lambda k: Call(k.pin_cryptogram(value or k.user_pin), p2=PinType.USER)


sent(Ins.VERIFY_PIN, SW.NO_CHALLENGE, used_challenge(verifying()))
sent(Ins.VERIFY_PIN, SW.PIN_WRONG | 5, verifying(WRONG_PIN))
unanswered(Ins.VERIFY_PIN, verifying())  # E5: five tries are left
for left in (4, 3, 2, 1, 0):
    sent(Ins.VERIFY_PIN, SW.PIN_WRONG | left, verifying(WRONG_PIN))
sent(Ins.VERIFY_PIN, SW.PIN_LOCKED, verifying())
for _ins, _call in ((Ins.CHANGE_PIN, new_user_pin), (Ins.UNBLOCK_PIN, unblocking)):
    if _ins is Ins.CHANGE_PIN:
        sent(_ins, SW.PIN_WRONG | 5, _call(opener=WRONG_PIN))
        unanswered(_ins, _call())  # E5: five tries are left
        sent(_ins, SW.WRONG_DATA, _call(b"111111"))  # the old PIN was right: all tries are back
    sent(_ins, SW.NO_CHALLENGE, used_challenge(_call()))
    sent(_ins, SW.WRONG_LENGTH, _call(width=32))
    sent(_ins, SW.WRONG_DATA, _call(b"111111"))
    sent(_ins, SW.WRONG_DATA, _call(b"628\x00318"))
    for left in (5, 4, 3, 2, 1, 0):
        sent(_ins, SW.PIN_WRONG | left, _call(opener=WRONG_PIN))
    sent(_ins, SW.PIN_LOCKED, _call())

# Applications


def application(**changes: Any) -> Callable[[Caller], Call]:
    return lambda k: Call(new_application(k.rig.profile, "NEW")._replace(**changes).encode())


sent(Ins.CREATE_APPLICATION, SW.WRONG_LENGTH, lambda k: Call(bytes(79)))
sent(Ins.CREATE_APPLICATION, SW.WRONG_LENGTH, lambda k: Call(application()(k).data + b"\0"))
sent(Ins.CREATE_APPLICATION, SW.WRONG_DATA, application(name=""))
sent(Ins.CREATE_APPLICATION, SW.WRONG_DATA, application(name="NEW\0ER"))
sent(Ins.CREATE_APPLICATION, SW.WRONG_DATA, application(user_pin=b"1111"))
sent(Ins.CREATE_APPLICATION, SW.WRONG_DATA, application(admin_pin=b""))
sent(Ins.CREATE_APPLICATION, SW.WRONG_DATA, application(user_tries=0))
sent(Ins.CREATE_APPLICATION, SW.WRONG_DATA, application(admin_tries=16))
sent(Ins.CREATE_APPLICATION, SW.ALREADY_EXISTS, application(name="BOCOM"))


@refusal(Ins.CREATE_APPLICATION, SW.NO_ROOM)
def too_many_applications(k: Caller) -> int:
    for number in range(15):
        assert k.call(Ins.CREATE_APPLICATION, *application(name=f"APP{number}")(k)) == SW.OK
    return k.call(Ins.CREATE_APPLICATION, *application()(k))


for _ins in (Ins.OPEN_APPLICATION, Ins.DELETE_APPLICATION):
    sent(_ins, SW.NOT_FOUND, lambda k: Call(b"NOBODY"))
    sent(_ins, SW.NOT_FOUND, lambda k: Call(BAD_UTF8))

# Containers and key pairs


def named(name: bytes) -> Callable[[Caller], Call]:
    return lambda k: Call(k.application + name)


def certificate(
    der: bytes = CERTIFICATE, use: int = 1, container: str = "sm2", tail: bytes = b""
) -> Callable[[Caller], Call]:
    return lambda k: Call(k.at(container) + bytes((use,)) + u32(len(der)) + der + tail)


sent(Ins.CREATE_CONTAINER, SW.WRONG_LENGTH, named(b"n" * 65))
sent(Ins.CREATE_CONTAINER, SW.WRONG_DATA, named(b"\0"))
sent(Ins.CREATE_CONTAINER, SW.ALREADY_EXISTS, named(b"SM2-SIGN"))
sent(Ins.CREATE_CONTAINER, SW.NO_ROOM, named(b"fourth"), "small")
for _ins in (Ins.CREATE_CONTAINER, Ins.OPEN_CONTAINER, Ins.DELETE_CONTAINER, Ins.GET_CONTAINER_INFO):
    sent(_ins, SW.WRONG_DATA, named(BAD_UTF8))
    sent(_ins, SW.WRONG_DATA, named(b"SM2\0SIGN"))
for _ins in (Ins.OPEN_CONTAINER, Ins.DELETE_CONTAINER, Ins.GET_CONTAINER_INFO):
    sent(_ins, SW.NOT_FOUND, named(b"nobody"))
sent(Ins.IMPORT_CERTIFICATE, SW.WRONG_LENGTH, certificate(tail=b"\0"))
sent(Ins.IMPORT_CERTIFICATE, SW.WRONG_LENGTH, lambda k: Call(k.at() + b"\1" + u32(999) + CERTIFICATE))
sent(Ins.IMPORT_CERTIFICATE, SW.WRONG_DATA, certificate(use=2))
sent(Ins.IMPORT_CERTIFICATE, SW.WRONG_DATA, certificate(CERTIFICATE[:-1]))
sent(Ins.IMPORT_CERTIFICATE, SW.WRONG_DATA, certificate(b"PEM"))
sent(Ins.IMPORT_CERTIFICATE, SW.KEY_NOT_FOUND, certificate(container="empty"))
sent(Ins.IMPORT_CERTIFICATE, SW.KEY_NOT_FOUND, certificate(use=0))
sent(Ins.IMPORT_CERTIFICATE, SW.NO_ROOM, certificate(b"\x30\x82\xff\x00" + bytes(0xFF00)))


@refusal(Ins.IMPORT_CERTIFICATE, SW.NO_ROOM)
def too_many_certificates(k: Caller) -> int:
    """In an application that holds containers, but no certificate."""
    session, profile = k.rig.session, k.rig.profile
    session.create_application(new_application(profile, "BARE")._replace(max_certificates=0))
    bare = session.open_application("BARE")
    session.verify_pin(bare, profile.pin.user.initial)
    container = session.create_container(bare, "sm2")
    session.generate_sm2(container)
    return k.call(Ins.IMPORT_CERTIFICATE, container.handles + certificate()(k).data[4:])


def exporting(use: int, container: str) -> Callable[[Caller], Call]:
    return lambda k: Call(k.at(container), p1=use)


for _use, _container in ((1, "empty"), (0, "sm2")):
    for _ins in (Ins.EXPORT_CERTIFICATE, Ins.EXPORT_PUBLIC_KEY):
        sent(_ins, SW.KEY_NOT_FOUND, exporting(_use, _container))
sent(Ins.GENERATE_RSA_KEY_PAIR, SW.WRONG_DATA, lambda k: Call(k.at("empty") + u16(512)))
sent(Ins.GENERATE_RSA_KEY_PAIR, SW.ALREADY_EXISTS, lambda k: Call(k.at("rsa") + u16(2048)))
sent(Ins.GENERATE_RSA_KEY_PAIR, SW.CONDITIONS_NOT_SATISFIED, lambda k: Call(k.at("sm2") + u16(2048)))
sent(Ins.GEN_ECC_KEY_PAIR, SW.WRONG_DATA, lambda k: Call(k.at("empty") + u32(192)))
sent(Ins.GEN_ECC_KEY_PAIR, SW.ALREADY_EXISTS, lambda k: Call(k.at("sm2") + u32(256)))
sent(Ins.GEN_ECC_KEY_PAIR, SW.CONDITIONS_NOT_SATISFIED, lambda k: Call(k.at("rsa") + u32(256)))

# Signatures


def signing(container: str, data: bytes, p1: int, p2: int = 0) -> Callable[[Caller], Call]:
    """After a login, which lasts for one signature."""

    def call(k: Caller) -> Call:
        k.rig.log_in()
        return Call(k.at(container) + data, p1, p2)

    return call


for _ins, _mine, _other in ((Ins.RSA_SIGN_DATA, "rsa", "sm2"), (Ins.ECC_SIGN_DATA, "sm2", "rsa")):
    sent(_ins, SW.KEY_NOT_FOUND, signing(_other, TRANSFER, 1))
    sent(_ins, SW.WRONG_LENGTH, signing(_mine, bytes(300), 2))
    sent(_ins, SW.MESSAGE_REFUSED, signing(_mine, TRANSFER[:-1], 1))
    sent(_ins, SW.DIGEST_REFUSED, signing(_mine, bytes(32), 2), "no digests")
    unanswered(_ins, signing(_mine, TRANSFER, 1))
    unanswered(_ins, signing(_mine, bytes(32), 2))
sent(Ins.RSA_SIGN_DATA, SW.WRONG_LENGTH, signing("rsa", bytes(20), 2, 4))
sent(Ins.ECC_SIGN_DATA, SW.WRONG_LENGTH, signing("sm2", bytes(31), 2))


def altered(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


sent(Ins.RSA_VERIFY, SW.WRONG_LENGTH, lambda k: Call(rsa_signed()[:-1], 1))
sent(Ins.RSA_VERIFY, SW.WRONG_LENGTH, lambda k: Call(rsa_signed() + b"\0", 1))
sent(Ins.RSA_VERIFY, SW.VERIFICATION_FAILED, lambda k: Call(altered(rsa_signed(), -1), 1))
sent(Ins.RSA_VERIFY, SW.VERIFICATION_FAILED, lambda k: Call(altered(rsa_signed(), 144), 1))
sent(Ins.RSA_VERIFY, SW.VERIFICATION_FAILED, lambda k: Call(rsa_signed(), 1, 2))
sent(Ins.RSA_VERIFY, SW.VERIFICATION_FAILED, lambda k: Call(u32(0) + u32(0) + u32(0) + u32(0), 2))
POINT, DIGEST, SIGNATURE = sm2_signed()
for _ins in (Ins.ECC_VERIFY, Ins.EXT_ECC_VERIFY):
    sent(_ins, SW.WRONG_LENGTH, lambda k: Call(ecc_verify(POINT, DIGEST, SIGNATURE[:-1])))
    sent(_ins, SW.WRONG_LENGTH, lambda k: Call(ecc_verify(POINT, DIGEST, SIGNATURE + b"\0")))
    sent(_ins, SW.WRONG_DATA, lambda k: Call(ecc_verify(POINT, DIGEST[:-1], SIGNATURE)))
    sent(_ins, SW.WRONG_DATA, lambda k: Call(ecc_verify(POINT, DIGEST, SIGNATURE, bits=192)))
    sent(_ins, SW.WRONG_DATA, lambda k: Call(ecc_verify(altered(POINT, 0), DIGEST, SIGNATURE)))
    sent(_ins, SW.VERIFICATION_FAILED, lambda k: Call(ecc_verify(POINT, altered(DIGEST, 0), SIGNATURE)))
    sent(_ins, SW.VERIFICATION_FAILED, lambda k: Call(ecc_verify(POINT, DIGEST, bytes(64))))

# Activation


def code(value: str) -> Callable[[Caller], Call]:
    return lambda k: Call(k.at() + value.encode(), p1=1)


sent(Ins.ACTIVATION, SW.INS_NOT_SUPPORTED, lambda k: Call(k.at()), "no activation")
sent(Ins.ACTIVATION, SW.WRONG_LENGTH, lambda k: Call(k.at() + b"x"))
sent(Ins.ACTIVATION, SW.WRONG_LENGTH, lambda k: Call(k.at() + bytes(48), p1=3))
sent(Ins.ACTIVATION, SW.WRONG_DATA, lambda k: Call(k.at() + bytes(49), p1=3))
sent(Ins.ACTIVATION, SW.KEY_NOT_FOUND, lambda k: Call(k.at("empty") + bytes(49), p1=3))
sent(Ins.ACTIVATION, SW.CONDITIONS_NOT_SATISFIED, code("12345678"))  # it is activated already
sent(Ins.ACTIVATION, SW.CONDITIONS_NOT_SATISFIED, lambda k: Call(k.at(), p1=2))


@refusal(Ins.ACTIVATION, SW.NOT_LOGGED_IN)
def installed_by_anybody(k: Caller) -> int:
    k.rig.session.transport.reset()
    handles = k.rig.container().handles
    return k.call(Ins.ACTIVATION, handles + verifier(k.rig.profile).encode(), p1=3)


for left in (5, 4, 3, 2, 1, 0):
    sent(Ins.ACTIVATION, SW.PIN_WRONG | left, code("00000000"), "issued")
sent(Ins.ACTIVATION, SW.ACTIVATION_USED_UP, lambda k: code(activation_code(k.rig.profile))(k), "issued")


def waiting_for_a_code(k: Caller) -> Call:
    assert k.call(Ins.ACTIVATION, k.at() + verifier(k.rig.profile).encode(), p1=3) == SW.OK
    return Call(k.at(), p1=2)


unanswered(Ins.ACTIVATION, waiting_for_a_code, "keypad")


@pytest.mark.parametrize(
    ("ins", "kind"),
    [pytest.param(ins, kind, marks=KINDS[kind], id=f"{ins.name}-{kind}") for kind, ins in CASES],
)
def test_each_refusal(rig: KeyRig, ins: Ins, kind: str) -> None:
    caller = Caller(rig)
    for number, (sw, scenario) in enumerate(CASES[kind, ins]):
        assert f"{scenario(caller):04X}" == f"{sw:04X}", f"case {number}"


def test_every_documented_refusal_is_provoked() -> None:
    provoked: dict[Ins, set[int]] = defaultdict(set)
    for (_, ins), cases in CASES.items():
        provoked[ins] |= {SW.PIN_WRONG if sw & 0xFFF0 == SW.PIN_WRONG else sw for sw, _ in cases}
    documented = {spec.ins: set(spec.answers) for spec in COMMANDS.values() if spec.answers}
    assert dict(provoked) == documented
