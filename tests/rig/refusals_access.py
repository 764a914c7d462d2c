"""What device authentication, its key, and PINs without a MAC refuse (G10-G12)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from protocols import pin, sm4
from protocols.gmt import DEV_AUTH_SM4, Ins, PinType
from protocols.sw import SW
from tests.rig.commands import Call, Caller
from tests.rig.good_access import NEW_KEY, changing
from tests.rig.refusals import KINDS, refusal, sent

NO_MAC = "no MAC"
KINDS[NO_MAC] = [pytest.mark.limits(dialect="synochip")]
_SM1, _SSF33 = 0, 1

# DevAuth


def challenged(size: int, p2: int = DEV_AUTH_SM4) -> Callable[[Caller], Call]:
    """A wrong cryptogram for a challenge of that size."""

    def call(k: Caller) -> Call:
        k.challenge(size)
        return Call(bytes(16), p2=p2)

    return call


sent(Ins.DEV_AUTH, SW.NO_CHALLENGE, lambda k: Call(bytes(16), p2=DEV_AUTH_SM4))
for _size in (1, 7, 9, 15, 17, 32):
    sent(Ins.DEV_AUTH, SW.NO_CHALLENGE, challenged(_size))
for _size in (8, 16):
    sent(Ins.DEV_AUTH, SW.VERIFICATION_FAILED, challenged(_size))
    for _secret in (_SM1, _SSF33):
        sent(Ins.DEV_AUTH, SW.SECRET_ALGORITHM, challenged(_size, _secret))

# ChangeDevAuthKey


def cut(end: int) -> Callable[[Caller], Call]:
    return lambda k: Call(changing(k).data[:end], p2=DEV_AUTH_SM4)


def altered(at: int) -> Callable[[Caller], Call]:
    def call(k: Caller) -> Call:
        data = bytearray(changing(k).data)
        data[at] ^= 1
        return Call(bytes(data), p2=DEV_AUTH_SM4)

    return call


def late(k: Caller) -> Call:
    """When the key has forgotten its challenge: the newer one is none of 8 bytes."""
    call = changing(k)
    k.challenge(16)
    return call


for _end in (16, 19):
    sent(Ins.CHANGE_DEV_AUTH_KEY, SW.WRONG_LENGTH, cut(_end))
sent(Ins.CHANGE_DEV_AUTH_KEY, SW.NO_CHALLENGE, late)
for _secret in (_SM1, _SSF33):
    sent(Ins.CHANGE_DEV_AUTH_KEY, SW.SECRET_ALGORITHM, partial(changing, p2=_secret))
for _at in (0, 15, 16, 19):
    sent(Ins.CHANGE_DEV_AUTH_KEY, SW.MAC_WRONG, altered(_at))
sent(Ins.CHANGE_DEV_AUTH_KEY, SW.MAC_WRONG, lambda k: changing(k, NEW_KEY))


@refusal(Ins.CHANGE_DEV_AUTH_KEY, SW.MAC_WRONG)
def under_the_key_that_it_has_no_longer(k: Caller) -> int:
    assert k.call(Ins.CHANGE_DEV_AUTH_KEY, *changing(k)) == SW.OK
    return k.call(Ins.CHANGE_DEV_AUTH_KEY, *changing(k))


# ChangePIN and UnblockPIN in a dialect without a MAC: only after that PIN


def bare(opener: str) -> Callable[[Caller], Call]:
    """A new user PIN under another; nobody has verified that one."""

    def call(k: Caller) -> Call:
        k.rig.session.clear_secure_state(k.rig.open())
        key = pin.pin_key((opener or k.user_pin).encode())
        return Call(k.application + sm4.encrypt_blocks(key, b"628318".ljust(16, b"\0")))

    return call


sent(Ins.CHANGE_PIN, SW.NOT_LOGGED_IN, lambda k: bare("")(k)._replace(p2=PinType.USER), NO_MAC)
sent(Ins.UNBLOCK_PIN, SW.NOT_LOGGED_IN, lambda k: bare(k.rig.profile.pin.admin.initial)(k), NO_MAC)


@refusal(Ins.UNBLOCK_PIN, SW.NOT_LOGGED_IN, NO_MAC)
def the_user_is_no_administrator(k: Caller) -> int:
    call = bare(k.rig.profile.pin.admin.initial)(k)
    k.rig.log_in()
    return k.call(Ins.UNBLOCK_PIN, *call)


@refusal(Ins.CHANGE_PIN, SW.WRONG_LENGTH, NO_MAC)
def with_a_mac_that_it_has_not(k: Caller) -> int:
    call = bare("")(k)
    k.rig.log_in()
    return k.call(Ins.CHANGE_PIN, call.data + bytes(4), p2=PinType.USER)


@refusal(Ins.CHANGE_PIN, SW.WRONG_DATA, NO_MAC)
def under_another_pin(k: Caller) -> int:
    """What it deciphers then is no PIN; it stays verified, and all its tries are left."""
    call = bare("999111")(k)
    k.rig.log_in()
    refused = k.call(Ins.CHANGE_PIN, call.data, p2=PinType.USER)
    assert k.rig.session.pin_info(k.rig.open()).left == k.rig.profile.pin.user.tries
    return refused
