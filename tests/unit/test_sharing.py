"""One key in several links: nobody inherits what another has unlocked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from emulator.control.keycontrol import KeyControl
from emulator.device import Device
from emulator.profiles import load_profile
from emulator.sharing import SharedKey
from protocols import pin
from protocols.apdu import Command, encode_command
from protocols.gmt import CLA_PLAIN, DEV_AUTH_SM4, Ins, NewApplication
from protocols.sw import SW

FIRST, SECOND = "first", "second"
GET_DEV_INFO = bytes.fromhex("80040000000000")


@pytest.fixture
def key() -> SharedKey:
    shared = SharedKey(Device(load_profile("bocom-2g-tendyron")))
    shared.power_on(SECOND)
    return shared


def send(key: SharedKey, user: str, ins: Ins, data: bytes = b"", p2: int = 0, le: int | None = None) -> bytes:
    return key.begin(user, encode_command(Command(CLA_PLAIN, ins, 0, p2, data, le))).wait()


def authenticate(key: SharedKey, user: str) -> None:
    challenge = send(key, user, Ins.GEN_RANDOM, le=16)[:-2]
    cryptogram = pin.device_cryptogram(key.device.profile.device_auth_key, challenge)
    assert send(key, user, Ins.DEV_AUTH, cryptogram, p2=DEV_AUTH_SM4) == SW.OK.to_bytes(2)


def may_label(key: SharedKey, user: str) -> bool:
    return send(key, user, Ins.SET_LABEL, b"x") == SW.OK.to_bytes(2)


def test_who_leaves_takes_what_was_unlocked_along(key: SharedKey) -> None:
    """E8, while another link keeps the power on."""
    authenticate(key, FIRST)
    assert may_label(key, FIRST)
    key.leave(FIRST)
    assert key.device.powered
    assert not may_label(key, SECOND)


def test_who_did_nothing_takes_nothing_along(key: SharedKey) -> None:
    key.power_on(FIRST)
    authenticate(key, SECOND)
    key.leave(FIRST)
    assert may_label(key, SECOND)


def test_the_last_one_takes_the_power_along(key: SharedKey) -> None:
    authenticate(key, FIRST)
    key.leave(SECOND)
    assert may_label(key, FIRST)
    key.leave(FIRST)
    assert not key.device.powered


def test_a_lock_keeps_the_others_out_until_its_holder_leaves(key: SharedKey) -> None:
    assert key.lock(FIRST)
    assert not key.lock(SECOND)
    assert send(key, SECOND, Ins.GEN_RANDOM, le=8) == SW.BUSY.to_bytes(2)
    assert len(send(key, FIRST, Ins.GEN_RANDOM, le=8)) == 10
    key.leave(FIRST)
    assert len(send(key, SECOND, Ins.GEN_RANDOM, le=8)) == 10


def test_a_reset_that_had_to_wait_comes_before_the_next_users_apdu(key: SharedKey) -> None:
    """E8: another one's lock must not carry a login over reset and power-off."""
    authenticate(key, FIRST)
    key.power_on(FIRST)
    assert key.lock(SECOND)
    key.reset(FIRST)
    key.power_off(FIRST)
    key.unlock(SECOND)
    assert not may_label(key, FIRST)


def test_a_busy_answer_does_not_make_one_the_last_user(key: SharedKey) -> None:
    """E11: who was told *busy* has used nothing, and shields nobody's login from being dropped."""
    authenticate(key, FIRST)
    assert key.lock(FIRST)
    assert send(key, SECOND, Ins.GEN_RANDOM, le=8) == SW.BUSY.to_bytes(2)
    key.leave(FIRST)
    assert not may_label(key, SECOND)


def test_the_rest_of_a_long_answer_is_not_for_another(key: SharedKey) -> None:
    """6A9E continues for whoever began it."""
    first = send(key, FIRST, Ins.GET_DEV_INFO, le=100)
    assert first[-2:] == SW.MORE_DATA.to_bytes(2)
    other = send(key, SECOND, Ins.GET_DEV_INFO, le=100)
    assert other == first  # from its beginning, not the second piece


def test_a_random_number_is_whose_asked_for_it(key: SharedKey) -> None:
    """E4: what is computed from one that another has replaced is no wrong PIN; it would cost a try each time."""
    send(key, FIRST, Ins.GEN_RANDOM, le=16)
    send(key, SECOND, Ins.GEN_RANDOM, le=16)
    assert send(key, FIRST, Ins.DEV_AUTH, bytes(16), p2=DEV_AUTH_SM4) == SW.NO_CHALLENGE.to_bytes(2)


def test_a_lock_takes_nothing_from_its_own_holder(key: SharedKey) -> None:
    challenge = send(key, FIRST, Ins.GEN_RANDOM, le=16)[:-2]
    key.lock(FIRST)
    cryptogram = pin.device_cryptogram(key.device.profile.device_auth_key, challenge)
    assert send(key, FIRST, Ins.DEV_AUTH, cryptogram, p2=DEV_AUTH_SM4) == SW.OK.to_bytes(2)


class LookedAt:
    """A plug that notes whether the key could be pulled out while somebody looks whether it is in."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.could_be_pulled = False

    @property
    def plugged(self) -> bool:
        with ThreadPoolExecutor(1) as other:
            self.could_be_pulled = other.submit(self._take_and_give_back).result()
        return True

    def plug(self) -> None: ...

    def unplug(self) -> None: ...

    def _take_and_give_back(self) -> bool:
        taken = self._device.lock.acquire(blocking=False)
        if taken:
            self._device.lock.release()
        return taken


def test_no_apdu_gives_power_to_a_key_that_is_pulled_out_meanwhile(key: SharedKey) -> None:
    plug = LookedAt(key.device)
    control = KeyControl(key, plug)
    control.begin(GET_DEV_INFO)
    control.close()
    assert not plug.could_be_pulled


def test_who_holds_the_key_is_not_reset_because_another_leaves(key: SharedKey) -> None:
    assert not may_label(key, FIRST)
    assert key.lock(SECOND)
    authenticate(key, SECOND)
    key.leave(FIRST)
    assert may_label(key, SECOND)


@pytest.mark.parametrize("who", [FIRST, SECOND])
def test_after_the_lock_the_reset_comes_to_whoever_is_next(key: SharedKey, who: str) -> None:
    assert not may_label(key, FIRST)
    assert key.lock(SECOND)
    authenticate(key, SECOND)
    key.leave(FIRST)
    key.unlock(SECOND)
    assert key.lock(who)
    assert not may_label(key, who)


def open_application(key: SharedKey, user: str) -> bytes:
    return send(key, user, Ins.OPEN_APPLICATION, b"A", le=10)[-4:-2]


def test_numbers_of_handles_go_on_over_a_reset(key: SharedKey) -> None:
    """What a reset took away from one program is not another thing under the same number."""
    authenticate(key, FIRST)
    new = NewApplication("A", b"87654321", 6, b"13579246", 6)
    assert send(key, FIRST, Ins.CREATE_APPLICATION, new.encode()) == SW.OK.to_bytes(2)
    before = open_application(key, FIRST)
    key.reset(FIRST)
    stale = send(key, FIRST, Ins.GET_PIN_INFO, before, p2=1, le=3)
    after = open_application(key, FIRST)
    assert stale == SW.NOT_FOUND.to_bytes(2)
    assert after != before
