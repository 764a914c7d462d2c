"""A row of equal commands is checked once: never does that change an answer (docs/decisions/011)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.device import Device
from emulator.hardware.entropy import SeededEntropy
from emulator.links.inproc import InProcessLink
from emulator.profiles import Profile, load_profile
from hostdriver.gmt import Container, GmtSession
from protocols.apdu import Command, encode_command
from protocols.gmt import CLA_PLAIN, ApplicationInfo, Ins, NewApplication, SignInput
from protocols.sw import SW

PIN = "271828"
SIGN = (CLA_PLAIN, Ins.ECC_SIGN_DATA, SignInput.DIGEST, 0)


Cache = Literal["per-sign", "session"]


def profile(cache: Cache = "session") -> Profile:
    """Signs digests without asking anybody."""
    model = load_profile("bocom-2g-tendyron")
    user = replace(model.pin.user, cache=cache, must_change=False)
    return replace(model, ready_digest="free", pin=replace(model.pin, user=user))


class Key:
    """A key with two containers, logged in.

    :param forgetful: it checks every command anew.
    """

    def __init__(self, cache: Cache = "session", *, forgetful: bool = False) -> None:
        self.device = Device(profile(cache), entropy=SeededEntropy(b"again"))
        self.forgetful = forgetful
        self.session = GmtSession(InProcessLink(self.device))
        self.session.transport.reset()
        self.session.authenticate_device(self.device.profile.device_auth_key)
        for name in ("A", "B"):
            self.session.create_application(NewApplication(name, b"87654321", 6, PIN.encode(), 6))
        self.application = self.log_in("A")
        self.containers = [self.make(name) for name in ("one", "two")]

    def log_in(self, name: str) -> ApplicationInfo:
        application = self.session.open_application(name)
        self.session.verify_pin(application, PIN)
        return application

    def make(self, name: str) -> Container:
        container = self.session.create_container(self.application, name)
        self.session.generate_sm2(container)
        return container

    def transmit(self, apdu: bytes) -> bytes:
        if self.forgetful:
            self.device._card._again = (
                None  # nothing that a host can send ends a row and leaves all else alone
            )
        return self.device.transmit(apdu)

    def sign(self, container: int = 0, digest: bytes = bytes(32), le: int | None = 68) -> bytes:
        return self.transmit(encode_command(Command(*SIGN, self.containers[container].handles + digest, le)))

    def status(self, container: int = 0) -> int:
        return int.from_bytes(self.sign(container)[-2:])


def pull_out(key: Key) -> None:
    key.device.power_off()
    key.device.power_on()


ENDS: dict[str, tuple[Callable[[Key], object], int]] = {
    "logged out": (lambda key: key.session.clear_secure_state(key.application), SW.NOT_LOGGED_IN),
    "container closed": (lambda key: key.session.close_container(key.containers[0]), SW.NOT_FOUND),
    "container deleted": (lambda key: key.session.delete_container(key.application, "one"), SW.NOT_FOUND),
    "application closed": (lambda key: key.session.close_application(key.application), SW.NOT_FOUND),
    "application deleted": (lambda key: key.session.delete_application("A"), SW.NOT_FOUND),
    "reset": (lambda key: key.device.reset(), SW.NOT_FOUND),
    "pulled out": (pull_out, SW.NOT_FOUND),
}


@pytest.mark.parametrize("name", ENDS)
def test_what_ends_the_right_to_sign_ends_it_at_once(name: str) -> None:
    end, sw = ENDS[name]
    key = Key()
    assert [key.status(), key.status()] == [SW.OK, SW.OK]
    end(key)
    assert key.status() == sw


def test_a_login_for_one_signature_is_spent_by_it() -> None:
    key = Key("per-sign")
    assert [key.status(), key.status(), key.status()] == [SW.OK, SW.NOT_LOGGED_IN, SW.NOT_LOGGED_IN]
    key.log_in("A")
    assert [key.status(), key.status()] == [SW.OK, SW.NOT_LOGGED_IN]


@pytest.mark.parametrize(("size", "sw"), [(31, SW.WRONG_LENGTH), (33, SW.WRONG_LENGTH), (32, SW.OK)])
def test_data_are_checked_each_time(size: int, sw: int) -> None:
    key = Key()
    key.sign()
    assert int.from_bytes(key.sign(digest=bytes(size))[-2:]) == sw


def test_a_shorter_le_gets_a_part_and_the_rest_follows() -> None:
    key = Key()
    key.sign()
    first = key.sign(le=40)
    rest = key.sign(le=40)
    assert (len(first), first[-2:]) == (42, b"\x6a\x9e")
    assert (len(rest), rest[-2:]) == (30, b"\x90\x00")


def signing(data: bytes, le: int | None = 68) -> bytes:
    return encode_command(Command(*SIGN, data, le))


def log_in(key: Key) -> bytes:
    key.log_in("A")
    return b""


STEPS: dict[str, Callable[[Key], bytes]] = {
    "one": lambda key: key.sign(0, bytes(31) + b"1"),
    "one again": lambda key: key.sign(0, bytes(31) + b"2"),
    "two": lambda key: key.sign(1),
    "short": lambda key: key.sign(digest=bytes(31)),
    "cut": lambda key: key.transmit(signing(key.containers[0].handles + bytes(32))[:-1]),
    "padded": lambda key: key.transmit(signing(key.containers[0].handles + bytes(32)) + b"\0"),
    "long le": lambda key: key.sign(le=0x10000),
    "short le": lambda key: key.sign(le=67),
    "no le": lambda key: key.sign(le=None),
    "no handle": lambda key: key.transmit(signing(bytes(4) + bytes(32))),
    "log out": lambda key: key.transmit(bytes.fromhex("801C0000000002") + key.application.handle),
    "log in": log_in,
    "close": lambda key: key.transmit(bytes.fromhex("80440000000004") + key.containers[0].handles),
    "open": lambda key: key.transmit(bytes.fromhex("80420000000005") + key.application.handle + b"one\0\2"),
    "delete": lambda key: key.transmit(bytes.fromhex("80480000000005") + key.application.handle + b"two"),
    "reset": lambda key: key.device.reset(),
    "random": lambda key: key.transmit(bytes.fromhex("80500000000008")),
}


@given(st.lists(st.sampled_from(["one", "one again", *STEPS]), max_size=25))
@settings(max_examples=60, deadline=None)
def test_every_row_of_commands_is_answered_as_if_each_stood_alone(names: list[str]) -> None:
    one, other = Key(), Key(forgetful=True)
    for name in names:
        assert STEPS[name](one) == STEPS[name](other), name
