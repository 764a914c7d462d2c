"""Files of an application: made, written, read, guarded by their rights, and kept (C9, E3, G27)."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from hostdriver.errors import (
    ApduFailedError,
    HostError,
    InitialPinError,
    NoRoomError,
    NotFoundError,
    NotLoggedInError,
    StatusError,
)
from protocols.gmt import ApplicationInfo, PinType, Rights
from protocols.gmt.files import FileInfo
from protocols.sw import SW
from tests.rig.dialects import every_dialect
from tests.rig.good_objects import new_file, piece, place
from tests.rig.key import KeyRig, new_application

pytestmark = pytest.mark.limits(pin__user__cache="session")

ANYONE = Rights.ANYONE
TEXT = bytes(range(256)) * 10
"""Longer than two pieces of 1024 bytes."""


def a_file(rig: KeyRig, name: str = "notes", size: int = 3000, rights: int = ANYONE) -> ApplicationInfo:
    """The application in which it now lies."""
    application = rig.open()
    rig.session.create_file(application, name, size, rights, rights)
    return application


def refused(sw: SW, call: Callable[[], object]) -> None:
    with pytest.raises((ApduFailedError, StatusError)) as caught:
        call()
    error: HostError = caught.value
    assert isinstance(error, ApduFailedError | StatusError)
    assert error.sw == sw


def test_a_new_file_holds_zeros(rig: KeyRig) -> None:
    application = a_file(rig, size=1500)
    assert rig.session.files(application) == ["notes"]
    assert rig.session.file_info(application, "notes") == FileInfo(1500, ANYONE, ANYONE)
    assert rig.session.read_file(application, "notes") == bytes(1500)


def test_what_was_written_is_there_after_a_removal(rig: KeyRig) -> None:
    rig.session.write_file(a_file(rig), "notes", TEXT, offset=100)
    rig.pull_out()
    rig.plug_in()
    application = rig.open()
    content = bytes(100) + TEXT + bytes(3000 - 100 - len(TEXT))
    assert rig.session.read_file(application, "notes") == content
    assert rig.session.read_file(application, "notes", 99, 1026) == content[99 : 99 + 1026]


@pytest.mark.limits(max_apdu_data=256)
def test_a_long_piece_comes_in_several_answers(rig: KeyRig) -> None:
    application = a_file(rig)
    rig.session.write_file(application, "notes", TEXT)
    assert rig.session.read_file(application, "notes", size=len(TEXT)) == TEXT


def test_reading_ends_where_the_file_ends(rig: KeyRig) -> None:
    application = a_file(rig, size=10)
    rig.session.write_file(application, "notes", b"0123456789")
    assert rig.session.read_file(application, "notes", 7, 100) == b"789"
    assert rig.session.read_file(application, "notes", 10) == b""
    refused(SW.WRONG_DATA, lambda: rig.session.read_file(application, "notes", 11))


def test_writing_beyond_the_end_writes_nothing(rig: KeyRig) -> None:
    application = a_file(rig, size=10)
    rig.session.write_file(application, "notes", b"0123456789")
    with pytest.raises(NoRoomError):
        rig.session.write_file(application, "notes", b"abc", offset=8)
    assert rig.session.read_file(application, "notes") == b"0123456789"


def test_the_bytes_on_the_wire(rig: KeyRig) -> None:
    """G27: the handle in P1 and P2, or before the data; integers big-endian."""
    handle = rig.open().handle

    def command(ins: int, parameters: bytes, data: bytes, le: bytes = b"\0\0") -> bytes:
        length = struct.pack(">BH", 0, len(data)) if data else b"\0"
        return rig.raw(bytes((0x80, ins)) + parameters + length + data + le)

    assert command(0x30, handle, new_file(b"wire", 9, 0x10, 0xFF)).hex() == "9000"
    assert command(0x34, handle, b"") == b"wire\0\0\x90\0"
    assert command(0x36, handle, b"wire").hex() == "0000000900000010000000ff9000"
    assert command(0x3A, b"\0\0", handle + piece(b"abcd", b"wire", 3)).hex() == "9000"
    rig.log_in()
    assert command(0x38, b"\0\0", handle + place(b"wire", 2), b"\0\4") == b"\0abc\x90\0"
    assert command(0x32, handle, b"wire").hex() == "9000"
    assert command(0x34, handle, b"") == b"\0\x90\0"


@pytest.mark.parametrize(
    ("rights", "allowed"),
    [
        (Rights.NEVER, ""),
        (Rights.ADMIN, "admin"),
        (Rights.USER, "user"),
        (Rights.ADMIN | Rights.USER, "admin user"),
        (Rights.ANYONE, "nobody admin user"),
    ],
)
def test_rights(rig: KeyRig, rights: int, allowed: str) -> None:
    session, application = rig.session, a_file(rig, rights=rights, size=4)
    pins = {"admin": rig.profile.pin.admin.initial, "user": rig.user_pin}
    for who in ("nobody", "admin", "user"):
        session.clear_secure_state(application)
        if who in pins:
            session.verify_pin(application, pins[who], PinType[who.upper()])
        if who in allowed:
            session.write_file(application, "notes", who[:4].encode())
            assert session.read_file(application, "notes") == who[:4].encode()
        else:
            sw = SW.NOT_LOGGED_IN if rights else SW.CONDITIONS_NOT_SATISFIED
            refused(sw, lambda: session.read_file(application, "notes"))
            refused(sw, lambda: session.write_file(application, "notes", b"none"))
    assert session.file_info(application, "notes").size == 4


def test_who_may_make_files_may_delete_them(rig: KeyRig) -> None:
    session, profile = rig.session, rig.profile
    rig.authenticate_device()
    session.create_application(new_application(profile, "OWN")._replace(create_file_rights=Rights.ADMIN))
    application = session.open_application("OWN")
    with pytest.raises(NotLoggedInError):
        session.create_file(application, "notes", 10, ANYONE, ANYONE)
    session.verify_pin(application, profile.pin.admin.initial, PinType.ADMIN)
    session.create_file(application, "notes", 10, ANYONE, ANYONE)
    session.clear_secure_state(application)
    with pytest.raises(NotLoggedInError):
        session.delete_file(application, "notes")
    session.verify_pin(application, profile.pin.admin.initial, PinType.ADMIN)
    session.delete_file(application, "notes")
    assert session.files(application) == []


def test_a_login_opens_the_files_of_its_application_only(rig: KeyRig) -> None:
    session, profile = rig.session, rig.profile
    rig.authenticate_device()
    session.create_application(new_application(profile, "OTHER"))
    other = session.open_application("OTHER")
    session.create_file(other, "notes", 10, Rights.USER, Rights.USER)
    application = rig.log_in()
    with pytest.raises(NotLoggedInError):
        session.read_file(other, "notes")
    with pytest.raises(NotFoundError):
        session.read_file(application, "notes")
    assert session.files(application) == []


@pytest.mark.stage("issued")
@pytest.mark.limits(pin__user__must_change=True)
def test_with_the_initial_pin_files_can_be_read_only(rig: KeyRig) -> None:
    rig.authenticate_device()
    a_file(rig)
    rig.pull_out()
    rig.plug_in()
    session, application = rig.session, rig.log_in()
    assert session.read_file(application, "notes") == bytes(3000)
    with pytest.raises(InitialPinError):
        session.write_file(application, "notes", b"text")
    with pytest.raises(InitialPinError):
        session.create_file(application, "new", 10, ANYONE, ANYONE)
    with pytest.raises(InitialPinError):
        session.delete_file(application, "notes")


def test_room(rig: KeyRig) -> None:
    session, before = rig.session, rig.session.device_info().free_space
    application = a_file(rig, size=20_000)
    assert before - session.device_info().free_space > 20_000
    with pytest.raises(NoRoomError):
        a_file(rig, "large", before - 20_000)
    session.delete_file(application, "notes")
    assert session.device_info().free_space == before


@pytest.mark.limits(max_files=2)
def test_as_many_files_as_the_model_holds(rig: KeyRig) -> None:
    assert rig.session.device_info().max_files == 2
    application = a_file(rig, "first")
    a_file(rig, "second")
    with pytest.raises(NoRoomError):
        a_file(rig, "third")
    rig.session.delete_file(application, "first")
    a_file(rig, "third")
    assert sorted(rig.session.files(application)) == ["second", "third"]


def test_files_go_with_their_application(rig: KeyRig) -> None:
    a_file(rig)
    rig.authenticate_device()
    rig.session.delete_application(rig.profile.application)
    rig.session.create_application(new_application(rig.profile))
    assert rig.session.files(rig.open()) == []


@every_dialect
def test_every_makers_keys(rig: KeyRig, dialect: str) -> None:
    application = a_file(rig, "n" * 32)
    rig.session.write_file(application, "n" * 32, TEXT)
    assert rig.session.read_file(application, "n" * 32, 0x0102) == (TEXT + bytes(3000))[0x0102:3000]


def test_writing_nothing_asks_the_key_all_the_same(rig: KeyRig) -> None:
    application = rig.log_in()
    with pytest.raises(NotFoundError):
        rig.session.write_file(application, "nobody", b"")
    rig.session.create_file(application, "file", 3, Rights.USER, Rights.USER)
    rig.session.write_file(application, "file", b"")
    assert rig.session.read_file(application, "file") == bytes(3)
