"""A valid call of the commands on the device's key."""

from __future__ import annotations

from collections.abc import Callable

from protocols import pin, sm4
from protocols.gmt import CLA_MAC, DEV_AUTH_SM4, Ins
from tests.rig.commands import Call, Caller

NEW_KEY = bytes.fromhex("00112233445566778899AABBCCDDEEFF")


def changing(caller: Caller, key: bytes | None = None, p2: int = DEV_AUTH_SM4) -> Call:
    """ChangeDevAuthKey to NEW_KEY, under the factory's key or another (G10, G12)."""
    old, challenge = key or caller.rig.profile.device_auth_key, caller.challenge()
    cipher = sm4.encrypt_blocks(old, NEW_KEY)
    header = bytes((CLA_MAC, Ins.CHANGE_DEV_AUTH_KEY, 0, p2))
    return Call(cipher + pin.line_mac(old, challenge, header, cipher), p2=p2)


GOOD_ACCESS: dict[Ins, Callable[[Caller], Call]] = {Ins.CHANGE_DEV_AUTH_KEY: changing}
