"""The device's key over the wire: device authentication, and the change of its key (G10-G12)."""

from __future__ import annotations

import gmalg
import pytest

from hostdriver.errors import ApduFailedError, NotLoggedInError, VerificationFailedError
from protocols.errors import ProtocolError
from protocols.gmt import Ins
from protocols.sw import SW
from tests.rig.key import KeyRig

NEW_KEY = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
DIALECTS = ["default", "longmai", "sunyard", "synochip"]

every_dialect = pytest.mark.parametrize(
    "profile_dialect", [pytest.param(name, marks=pytest.mark.limits(dialect=name)) for name in DIALECTS]
)


def sm4(key: bytes, block: bytes) -> bytes:
    """By another implementation."""
    return bytes(gmalg.SM4(key).encrypt(block))


@pytest.mark.parametrize("size", [8, 16])
def test_a_challenge_of_either_length_proves_the_issuer(rig: KeyRig, size: int) -> None:
    """G12: of 8 bytes it is padded with zeros."""
    challenge = rig.raw(f"805000000000{size:02X}")[:size]
    cryptogram = sm4(rig.profile.device_auth_key, challenge.ljust(16, b"\0"))
    assert rig.raw(f"80100002000010{cryptogram.hex()}") == b"\x90\x00"
    rig.session.set_label("mine")


@pytest.mark.parametrize("size", [1, 4, 7, 9, 15, 17, 32])
def test_a_challenge_of_another_length_proves_nothing(rig: KeyRig, size: int) -> None:
    challenge = rig.raw(f"805000000000{size:02X}")[:size]
    cryptogram = sm4(rig.profile.device_auth_key, challenge[:16].ljust(16, b"\0"))
    assert rig.status(f"80100002000010{cryptogram.hex()}") == SW.NO_CHALLENGE
    with pytest.raises(NotLoggedInError):
        rig.session.set_label("mine")


@pytest.mark.parametrize("algorithm", ["00", "01"])
def test_sm1_and_ssf33_are_secret(rig: KeyRig, algorithm: str) -> None:
    """G35: even the right cryptogram says nothing under them."""
    challenge = rig.raw("80500000000010")[:16]
    cryptogram = sm4(rig.profile.device_auth_key, challenge)
    assert rig.raw(f"801000{algorithm}000010{cryptogram.hex()}") == bytes.fromhex("6FF8")


@every_dialect
def test_the_new_key_takes_the_old_ones_place_for_good(rig: KeyRig, profile_dialect: str) -> None:
    old = rig.profile.device_auth_key
    rig.session.change_device_key(old, NEW_KEY)
    rig.session.set_label("still the issuer")
    rig.session.transport.reset()
    with pytest.raises(VerificationFailedError):
        rig.session.authenticate_device(old)
    rig.session.authenticate_device(NEW_KEY)
    rig.pull_out()
    rig.plug_in()
    with pytest.raises(VerificationFailedError):
        rig.session.change_device_key(old, bytes(16))
    rig.session.change_device_key(NEW_KEY, old)
    rig.session.authenticate_device(old)


@every_dialect
def test_only_the_issuer_changes_it(rig: KeyRig, profile_dialect: str) -> None:
    with pytest.raises(NotLoggedInError):
        rig.session.send_protected(Ins.CHANGE_DEV_AUTH_KEY, rig.profile.device_auth_key, bytes(16), p2=2)


def test_a_wrong_mac_changes_nothing(rig: KeyRig) -> None:
    """Its own status word: no PIN stands behind it that could be guessed. DevAuth lasts."""
    rig.authenticate_device()
    with pytest.raises(ApduFailedError) as caught:
        rig.session.send_protected(Ins.CHANGE_DEV_AUTH_KEY, NEW_KEY, sm4(NEW_KEY, NEW_KEY), p2=2)
    assert caught.value.sw == SW.MAC_WRONG
    rig.session.set_label("mine")
    rig.session.authenticate_device(rig.profile.device_auth_key)


@pytest.mark.parametrize(
    ("profile_dialect", "lengths"),
    [
        pytest.param("default", "000014", marks=pytest.mark.limits(dialect="default"), id="default"),
        pytest.param("sunyard", "00140000", marks=pytest.mark.limits(dialect="sunyard"), id="sunyard"),
        pytest.param("synochip", "", marks=pytest.mark.limits(dialect="synochip"), id="synochip"),
    ],
)
def test_what_a_host_of_that_maker_sends(rig: KeyRig, profile_dialect: str, lengths: str) -> None:
    """G10, by hand: Lc is 20 with the MAC, 16 without."""
    key = rig.profile.device_auth_key
    rig.authenticate_device()
    cipher = sm4(key, NEW_KEY)
    challenge = rig.raw("80500000000008")[:8]
    mac = b""
    if lengths:
        state = challenge + bytes(8)
        text = bytes.fromhex(f"84120002 {lengths}") + cipher + b"\x80"
        for at in range(0, len(text), 16):
            block = text[at : at + 16].ljust(16, b"\0")
            state = sm4(key, bytes(a ^ b for a, b in zip(state, block, strict=True)))
        mac = state[:4]
    assert rig.status(f"84120002 0000{16 + len(mac):02X}" + (cipher + mac).hex()) == SW.OK
    rig.session.authenticate_device(NEW_KEY)


@pytest.mark.parametrize("size", [0, 5, 15, 17, 32])
def test_the_host_sends_no_key_of_another_size(rig: KeyRig, size: int) -> None:
    key = rig.profile.device_auth_key
    with pytest.raises(ProtocolError, match="an SM4 key has 16 bytes"):
        rig.session.authenticate_device(bytes(size))
    with pytest.raises(ProtocolError, match="an SM4 key has 16 bytes"):
        rig.session.change_device_key(key, bytes(size))
    rig.session.authenticate_device(key)
