"""The wire: lengths, pieces, classes, handles, and whatever a program may send by mistake or in malice (G1, G19)."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.firmware.applets.gmt import COMMANDS
from hostdriver.errors import ApduFailedError, NotFoundError
from protocols import pin
from protocols.apdu import Command, encode_command
from protocols.dialect import DEFAULT
from protocols.gmt import DEVICE_INFO_SIZE, Ins, SignInput
from protocols.sm2 import PublicKey
from tests.rig.key import CERTIFICATE, KeyRig, new_application
from tests.rig.messages import TRANSFER
from tests.rig.verifiers import sm2_verifies

SHORT_GET_DEV_INFO = "8004000000"
EXTENDED_GET_DEV_INFO = "80040000000000"
FUZZ_EXAMPLES = {
    "inproc": 300,
    "socket": 100,
    "vpcd": 60,
    "gadget": 20,
    "usbip": 20,
    "usb": 20,
    "serial": 60,
    "ble": 20,
}
LONGEST = {"serial": 65532, "ble": 65532}
"""Bytes of an APDU, where the wire adds to them what one of its own lengths has to count too."""


def test_a_long_answer_comes_in_pieces(rig: KeyRig) -> None:
    """G5, G19: 288 bytes into a short Le are 256 and 32."""
    whole = rig.raw(EXTENDED_GET_DEV_INFO)
    assert len(whole) == DEVICE_INFO_SIZE + 2
    first, second = rig.raw(SHORT_GET_DEV_INFO), rig.raw(SHORT_GET_DEV_INFO)
    assert (len(first), first[-2:].hex()) == (258, "6a9e")
    assert (len(second), second[-2:].hex()) == (34, "9000")
    assert first[:-2] + second == whole


def test_any_other_command_ends_the_row(rig: KeyRig) -> None:
    """G19: ours; so does a reset."""
    first = rig.raw(SHORT_GET_DEV_INFO)
    assert rig.raw("8022000000")[-2:].hex() == "9000"
    assert rig.raw(SHORT_GET_DEV_INFO) == first
    rig.session.transport.reset()
    assert rig.raw(SHORT_GET_DEV_INFO) == first


def test_a_certificate_in_pieces_of_any_size(rig: KeyRig) -> None:
    handles = rig.container().handles
    for room in (12, 100, 256, 500, 4096):
        assert rig.session.send(Ins.EXPORT_CERTIFICATE, handles, p1=1, le=room)[4:] == CERTIFICATE
    short = encode_command(Command(0x80, Ins.EXPORT_CERTIFICATE, 1, 0, handles, 256, extended=False))
    pieces = [rig.raw(short) for _ in range(3)]
    assert [piece[-2:].hex() for piece in pieces] == ["6a9e", "6a9e", "9000"]
    assert b"".join(piece[:-2] for piece in pieces)[4:] == CERTIFICATE


@pytest.mark.limits(max_apdu_data=256)
def test_a_key_of_small_apdus_hands_out_small_pieces(rig: KeyRig) -> None:
    assert rig.session.device_info().max_apdu_data == 256
    assert len(rig.raw(EXTENDED_GET_DEV_INFO)) == 258
    assert rig.session.export_certificate(rig.container()) == CERTIFICATE


@pytest.mark.parametrize("extended", [False, True])
def test_both_length_forms_of_all_four_cases(rig: KeyRig, extended: bool) -> None:
    """G1; ISO/IEC 7816-3 §12.1."""

    def status(ins: Ins, data: bytes, le: int | None) -> int:
        return rig.status(encode_command(Command(0x80, ins, 0, 0, data, le, extended)))

    name = rig.profile.application.encode()
    assert status(Ins.CLEAR_SECURE_STATE, b"", None) == 0x6700  # case 1, the same in both
    assert status(Ins.GEN_RANDOM, b"", 8) == 0x9000
    assert status(Ins.OPEN_APPLICATION, name, None) == 0x9000
    assert status(Ins.OPEN_APPLICATION, name, 10) == 0x9000


def test_routing_by_class(rig: KeyRig) -> None:
    """G1, G20: SELECT finds nothing, class 00 has no commands, other classes do not exist, MACs where they belong."""
    wanted = {
        "00A4040000": "6a82",
        "00A4040007A0000000031010": "6a82",
        "00A404000000": "6700",
        "00CA000000": "6d00",
        "0084000008": "6d00",
        "B004000000": "6e00",
        "0104000000": "6e00",
        "8104000000": "6e00",
        "FF04000000": "6e00",
        "8404000000": "6882",
        "8016000116" + "00" * 22: "6987",
        "801A000016" + "00" * 22: "6987",
        "80FE000000": "6d00",
        "84FE000000": "6d00",
        "8004010000": "6a86",
        "8004000100": "6a86",
        "800400000100": "6700",
    }
    assert {apdu: rig.raw(apdu).hex() for apdu in wanted} == wanted


def test_unknown_commands(rig: KeyRig) -> None:
    """G20: 6D00 for every number that is none of ours."""
    known = {int(ins) for ins in COMMANDS}
    unknown = set(range(0x100)) - known
    assert {rig.raw(bytes((0x80, ins, 0, 0))).hex() for ins in sorted(unknown)} == {"6d00"}


def test_handles_die_at_reset(rig: KeyRig) -> None:
    """G15: and are not of use for anything that was opened since."""
    container = rig.container()
    rig.session.transport.reset()
    with pytest.raises(NotFoundError):
        rig.session.pin_info(container.application)
    rig.open()
    with pytest.raises(NotFoundError):
        rig.session.export_certificate(container)


def test_handles_die_with_what_they_open(rig: KeyRig) -> None:
    application = rig.log_in()
    container = rig.session.create_container(application, "short-lived")
    rig.session.delete_container(application, "short-lived")
    with pytest.raises(NotFoundError):
        rig.session.close_container(container)
    again = rig.session.create_container(application, "again")
    rig.session.close_container(again)
    with pytest.raises(NotFoundError):
        rig.session.export_certificate(again)
    open_one = rig.session.open_container(application, "again")
    rig.session.close_application(application)
    rig.open()
    with pytest.raises(NotFoundError):
        rig.session.export_certificate(open_one)


def test_a_container_is_reached_through_its_own_application_only(rig: KeyRig) -> None:
    rig.authenticate_device()
    rig.session.create_application(new_application(rig.profile, "OTHER"))
    container, other = rig.container(), rig.session.open_application("OTHER")
    with pytest.raises(NotFoundError):
        rig.session.send(Ins.EXPORT_CERTIFICATE, other.handle + container.handle, p1=1, le=4096)


def test_a_challenge_serves_once(rig: KeyRig) -> None:
    """G11."""
    application = rig.open()
    challenge = rig.session.random(8)
    cryptogram = pin.verify_cryptogram(pin.pin_key(rig.user_pin.encode()), challenge)
    rig.session.send(Ins.VERIFY_PIN, application.handle + cryptogram, p2=1)
    with pytest.raises(ApduFailedError) as caught:
        rig.session.send(Ins.VERIFY_PIN, application.handle + cryptogram, p2=1)
    assert caught.value.sw == 0x6984


def test_garbage_gets_a_status_word_and_the_key_goes_on(rig: KeyRig, token: str) -> None:
    for size in (*range(2, 9), 255, 256, 261, 4096, LONGEST.get(token, 65535)):
        for garbage in (bytes(size), b"\xff" * size, b"\x80" + os.urandom(size - 1)):
            assert len(rig.raw(garbage)) >= 2
    alive(rig)


def alive(rig: KeyRig) -> None:
    """Nothing is lost: the PIN works, and the key signs."""
    rig.session.transport.reset()
    rig.log_in()
    key = rig.session.public_key(rig.container())
    assert isinstance(key, PublicKey)
    signature = rig.confirmed(rig.session.sign_sm2, rig.container(), TRANSFER, SignInput.MESSAGE)
    assert sm2_verifies(key, TRANSFER, signature)


raw_bytes = st.binary(min_size=4, max_size=600)
near_commands = st.builds(
    lambda cla, ins, p1, p2, handles, data, le, extended: encode_command(
        Command(cla, ins, p1, p2, (handles + data)[: 0xFFFF if extended else 255], le, extended)
    ),
    st.sampled_from([0x80, 0x80, 0x80, 0x84, 0x00]),
    st.sampled_from([int(ins) for ins in sorted(COMMANDS) if DEFAULT.number(Ins(ins)) is not None]),
    st.integers(0, 4),
    st.integers(0, 4),
    st.sampled_from([b"", b"\x10\x01", b"\x10\x01\x30\x01", b"\x10\x01\x30\x02"]),
    st.binary(max_size=400),
    st.one_of(st.none(), st.integers(1, 256)),
    st.booleans(),
)


def test_random_apdus_never_break_the_key(rig: KeyRig, token: str) -> None:
    """Whatever comes in, two bytes or more go out; nobody is asked for long; nothing that was there is lost."""
    rig.log_in()
    rig.container("rsa")
    rig.container("sm2")
    stop = rig.device.on_screen(lambda _: rig.device.press("cancel"))

    @settings(
        max_examples=FUZZ_EXAMPLES[token],
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.one_of(raw_bytes, near_commands))
    def one(apdu: bytes) -> None:
        assert 2 <= len(rig.raw(apdu)) <= 0x10000

    one()
    stop()
    alive(rig)
    assert {"RSA-SIGN", "SM2-SIGN"} <= set(rig.session.containers(rig.open()))  # it may have made some
    assert rig.session.export_certificate(rig.container()) == CERTIFICATE
