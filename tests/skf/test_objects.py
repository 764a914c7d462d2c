"""§ 7.3 to § 7.5 of GM/T 0016: applications, files, containers and their certificates."""

from __future__ import annotations

import ctypes
import struct

import pytest

from emulator.profiles import Profile, load_profile
from hostdriver.skf.functions import ULong
from protocols import pin
from protocols.dialect import DIALECTS, dialect_named
from tests.rig.key import CERTIFICATE, changed
from tests.rig.skf import SkfKey
from tests.rig.skf_calls import (
    APPLICATION_EXISTS,
    APPLICATION_NAME,
    CERTIFICATE_NOT_FOUND,
    CONTAINER_EXISTS,
    DATA,
    FILE_EXISTS,
    INVALID_HANDLE,
    INVALID_PARAMETER,
    KEY_NOT_FOUND,
    NAME_LENGTH,
    NO_APPLICATION,
    NO_CONTAINER,
    NO_FILE,
    NO_ROOM,
    NOT_LOGGED_IN,
    OK,
    PIN_LENGTH,
    TOO_SMALL,
    Handle,
    Skf,
)

ANYONE, USER_MAY, NOBODY = 0xFF, 0x10, 0
TEXT = bytes(range(256)) * 10  # three pieces of at most 1,024 bytes
EMPTY, RSA, ECC = 0, 1, 2


@pytest.fixture(params=sorted(DIALECTS))
def spoken(request: pytest.FixtureRequest) -> str:
    """A dialect."""
    return str(request.param)


@pytest.fixture
def profile(request: pytest.FixtureRequest) -> Profile:
    spoken = request.getfixturevalue("spoken") if "spoken" in request.fixturenames else "default"
    return changed(load_profile("bocom-2g-tendyron"), dialect=spoken, pin__user__cache="session")


@pytest.fixture
def issuer(skf: Skf, key: SkfKey, device: Handle) -> Handle:
    """The device, with device authentication."""
    proof = pin.device_cryptogram(key.rig.profile.device_auth_key, skf.random(device, 16))
    assert skf.SKF_DevAuth(device, proof, 16) == OK
    return device


@pytest.fixture
def user(skf: Skf, key: SkfKey, application: Handle) -> Handle:
    """The bank's application, with its user PIN verified."""
    assert skf.verify(application, key.rig.user_pin) == (OK, None)
    return application


def create(
    skf: Skf, device: Handle, name: bytes | None, user_pin: bytes | None = b"135792"
) -> tuple[int, Handle]:
    handle = Handle()
    status = skf.SKF_CreateApplication(
        device, name, b"87654321", 5, user_pin, 4, ANYONE, ctypes.byref(handle)
    )
    return status, handle


def test_an_application_in_every_dialect(skf: Skf, key: SkfKey, spoken: str, issuer: Handle) -> None:
    bank = key.rig.profile.application
    status, made = create(skf, issuer, b"OTHER")
    assert status == OK
    assert skf.names("SKF_EnumApplication", issuer) == [bank, "OTHER"]
    most, left, initial = ULong(), ULong(), ctypes.c_int32()
    facts = ctypes.byref(most), ctypes.byref(left), ctypes.byref(initial)
    assert skf.SKF_GetPINInfo(made, 1, *facts) == OK
    assert (most.value, left.value) == (4, 4)
    assert skf.verify(made, "135792") == (OK, None)
    assert create(skf, issuer, b"OTHER")[0] == APPLICATION_EXISTS
    assert skf.SKF_DeleteApplication(issuer, b"OTHER") == OK
    assert skf.names("SKF_EnumApplication", issuer) == [bank]
    assert skf.SKF_ClearSecureState(made) == INVALID_HANDLE
    assert skf.SKF_DeleteApplication(issuer, b"OTHER") == NO_APPLICATION


def test_applications_are_the_issuers(skf: Skf, device: Handle) -> None:
    assert create(skf, device, b"OTHER")[0] == NOT_LOGGED_IN
    assert skf.SKF_DeleteApplication(device, b"OTHER") == NOT_LOGGED_IN


def test_applications_that_cannot_be(skf: Skf, issuer: Handle) -> None:
    assert create(skf, issuer, None)[0] == INVALID_PARAMETER
    assert create(skf, issuer, b"")[0] == APPLICATION_NAME
    assert create(skf, issuer, b"x" * 49)[0] == APPLICATION_NAME
    assert create(skf, issuer, b"OTHER", None)[0] == INVALID_PARAMETER
    assert create(skf, issuer, b"OTHER", b"1" * 17)[0] == PIN_LENGTH
    assert skf.SKF_CreateApplication(issuer, b"A", b"1", 1, b"1", 1, 1, None) == INVALID_PARAMETER
    assert skf.SKF_DeleteApplication(issuer, None) == INVALID_PARAMETER
    assert skf.SKF_OpenApplication(issuer, b"NONE", ctypes.byref(Handle())) == NO_APPLICATION
    assert skf.SKF_OpenApplication(issuer, None, ctypes.byref(Handle())) == INVALID_PARAMETER
    assert skf.SKF_OpenApplication(issuer, b"NONE", None) == INVALID_PARAMETER
    assert skf.SKF_EnumApplication(issuer, None, None) == INVALID_PARAMETER


def test_two_handles_to_one_application(skf: Skf, key: SkfKey, device: Handle, user: Handle) -> None:
    """The key knows but one: it stays open, and logged in, until the last of them is closed."""
    second = skf.open(device, key)
    assert skf.SKF_CloseApplication(second) == OK
    assert skf.SKF_CloseApplication(second) == INVALID_HANDLE
    container = Handle()
    assert skf.SKF_CreateContainer(user, b"NEW", ctypes.byref(container)) == OK
    assert skf.SKF_CloseApplication(user) == OK
    assert skf.SKF_CloseContainer(container) == INVALID_HANDLE
    third = skf.open(device, key)
    assert skf.SKF_CreateContainer(third, b"MORE", ctypes.byref(container)) == NOT_LOGGED_IN


# Files


def write(skf: Skf, application: Handle, name: bytes | None, data: bytes | None, offset: int = 0) -> int:
    return skf.SKF_WriteFile(application, name, offset, data, len(data or b""))


def test_a_file_in_every_dialect(skf: Skf, spoken: str, user: Handle) -> None:
    name = b"x" * min(32, dialect_named(spoken).file_name)
    assert skf.names("SKF_EnumFiles", user) == []
    assert skf.SKF_CreateFile(user, name, 3000, ANYONE, USER_MAY) == OK
    assert skf.SKF_CreateFile(user, name, 3000, ANYONE, USER_MAY) == FILE_EXISTS
    assert skf.names("SKF_EnumFiles", user) == [name.decode()]
    info = ctypes.create_string_buffer(44)
    assert skf.SKF_GetFileInfo(user, name, info) == OK
    assert struct.unpack("<32s3I", info.raw) == (name, 3000, ANYONE, USER_MAY)
    assert write(skf, user, name, TEXT, 100) == OK
    assert skf.output("SKF_ReadFile", user, name, 100, len(TEXT)) == TEXT
    assert skf.output("SKF_ReadFile", user, name, 0, 0xFFFF) == bytes(100) + TEXT + bytes(340)
    assert skf.output("SKF_ReadFile", user, name, 3000, 1) == b""
    assert skf.SKF_DeleteFile(user, name) == OK
    assert skf.SKF_DeleteFile(user, name) == NO_FILE


def test_too_small_a_buffer_for_a_file(skf: Skf, user: Handle) -> None:
    assert skf.SKF_CreateFile(user, b"F", 2000, ANYONE, ANYONE) == OK
    buffer, size = ctypes.create_string_buffer(b"." * 1999, 1999), ULong(1999)
    assert skf.SKF_ReadFile(user, b"F", 0, 2000, buffer, ctypes.byref(size)) == TOO_SMALL
    assert size.value == 2000
    assert buffer.raw == b"." * 1999
    assert skf.SKF_ReadFile(user, b"F", 0, 2000, buffer, None) == INVALID_PARAMETER


def test_beyond_a_files_end(skf: Skf, user: Handle) -> None:
    assert skf.SKF_CreateFile(user, b"F", 2000, ANYONE, ANYONE) == OK
    assert write(skf, user, b"F", bytes(1), 2000) == NO_ROOM
    assert write(skf, user, b"F", b"\1" * 2001) == NO_ROOM
    assert skf.output("SKF_ReadFile", user, b"F", 0, 2000) == bytes(2000)  # nothing of it was written
    size = ULong(1)
    assert skf.SKF_ReadFile(user, b"F", 2001, 1, bytes(1), ctypes.byref(size)) == INVALID_PARAMETER


def test_rights_of_files(skf: Skf, application: Handle, key: SkfKey) -> None:
    assert skf.verify(application, key.rig.user_pin) == (OK, None)
    assert skf.SKF_CreateFile(application, b"F", 8, USER_MAY, USER_MAY) == OK
    assert skf.SKF_CreateFile(application, b"SEALED", 8, NOBODY, NOBODY) == OK
    assert skf.SKF_ClearSecureState(application) == OK
    buffer, size = ctypes.create_string_buffer(8), ULong(8)
    assert skf.SKF_ReadFile(application, b"F", 0, 8, buffer, ctypes.byref(size)) == NOT_LOGGED_IN
    assert write(skf, application, b"F", b"text") == NOT_LOGGED_IN
    size.value = 8
    assert skf.SKF_ReadFile(application, b"SEALED", 0, 8, buffer, ctypes.byref(size)) == 0x0A000004


def test_files_that_cannot_be(skf: Skf, user: Handle) -> None:
    info = ctypes.create_string_buffer(44)
    for name, status in ((None, INVALID_PARAMETER), (b"", NAME_LENGTH), (b"x" * 49, NAME_LENGTH)):
        assert skf.SKF_CreateFile(user, name, 1, ANYONE, ANYONE) == status
        assert skf.SKF_DeleteFile(user, name) == status
        assert skf.SKF_GetFileInfo(user, name, info) == status
        assert write(skf, user, name, b"text") == status
        assert skf.SKF_ReadFile(user, name, 0, 1, None, ctypes.byref(ULong())) == status
    assert skf.SKF_CreateFile(user, b"F", 1, 0x77, ANYONE) == DATA
    assert skf.SKF_CreateFile(user, b"F", 0xFFFFFFFF, ANYONE, ANYONE) == NO_ROOM
    assert skf.SKF_GetFileInfo(user, b"NONE", info) == NO_FILE
    assert skf.SKF_GetFileInfo(user, b"NONE", None) == INVALID_PARAMETER
    assert skf.SKF_WriteFile(user, b"NONE", 0, None, 4) == INVALID_PARAMETER
    assert write(skf, user, b"NONE", b"text") == NO_FILE


# Containers


def test_containers_in_every_dialect(skf: Skf, key: SkfKey, spoken: str, user: Handle) -> None:
    names = key.rig.profile.containers
    assert names.rsa
    assert names.sm2
    issued = [names.rsa.name, names.sm2.name]
    longest = b"x" * dialect_named(spoken).container_name
    assert skf.names("SKF_EnumContainer", user) == issued
    made = skf.new("SKF_CreateContainer", user, longest)
    assert skf.number("SKF_GetContainerType", made) == EMPTY
    for name, kind in zip(issued, (RSA, ECC), strict=True):
        container = skf.new("SKF_OpenContainer", user, name.encode())
        assert skf.number("SKF_GetContainerType", container) == kind
        assert skf.SKF_CloseContainer(container) == OK
        assert skf.SKF_CloseContainer(container) == INVALID_HANDLE
    assert skf.SKF_CreateContainer(user, longest, ctypes.byref(Handle())) == CONTAINER_EXISTS
    assert skf.SKF_DeleteContainer(user, longest) == OK
    assert skf.SKF_GetContainerType(made, ctypes.byref(ULong())) == INVALID_HANDLE
    assert skf.SKF_DeleteContainer(user, longest) == NO_CONTAINER
    assert skf.names("SKF_EnumContainer", user) == issued


def test_containers_that_cannot_be(skf: Skf, user: Handle) -> None:
    for name, status in ((None, INVALID_PARAMETER), (b"", NAME_LENGTH), (b"x" * 65, NAME_LENGTH)):
        assert skf.SKF_CreateContainer(user, name, ctypes.byref(Handle())) == status
        assert skf.SKF_OpenContainer(user, name, ctypes.byref(Handle())) == status
        assert skf.SKF_DeleteContainer(user, name) == status
    assert skf.SKF_CreateContainer(user, b"C", None) == INVALID_PARAMETER
    assert skf.SKF_OpenContainer(user, b"NONE", None) == INVALID_PARAMETER
    assert skf.SKF_OpenContainer(user, b"NONE", ctypes.byref(Handle())) == NO_CONTAINER
    assert skf.SKF_EnumContainer(user, None, None) == INVALID_PARAMETER


def test_as_many_containers_as_the_key_takes(skf: Skf, key: SkfKey, user: Handle) -> None:
    room = min(16, key.rig.profile.max_containers) - len(skf.names("SKF_EnumContainer", user))
    for number in range(room):
        skf.new("SKF_CreateContainer", user, f"C{number}".encode())
    assert skf.SKF_CreateContainer(user, b"ONE MORE", ctypes.byref(Handle())) == 0x0A000032


def test_certificates_in_every_dialect(skf: Skf, key: SkfKey, spoken: str, user: Handle) -> None:
    names = key.rig.profile.containers
    assert names.sm2
    container = skf.new("SKF_OpenContainer", user, names.sm2.name.encode())
    assert skf.SKF_ImportCertificate(container, 1, CERTIFICATE, len(CERTIFICATE)) == OK
    assert skf.output("SKF_ExportCertificate", container, 1) == CERTIFICATE
    buffer, size = ctypes.create_string_buffer(b"." * 728, 728), ULong(728)
    assert skf.SKF_ExportCertificate(container, 1, buffer, ctypes.byref(size)) == TOO_SMALL
    assert (size.value, buffer.raw) == (len(CERTIFICATE), b"." * 728)


def test_certificates_that_are_not_there(skf: Skf, user: Handle) -> None:
    size = ctypes.byref(ULong())
    container = skf.new("SKF_CreateContainer", user, b"EMPTY")
    for use in (0, 1):
        assert skf.SKF_ExportCertificate(container, use, None, size) == CERTIFICATE_NOT_FOUND
        assert skf.SKF_ImportCertificate(container, use, CERTIFICATE, len(CERTIFICATE)) == KEY_NOT_FOUND
    assert skf.SKF_ImportCertificate(container, 1, b"no DER", 6) == DATA
    assert skf.SKF_ImportCertificate(container, 1, None, 6) == INVALID_PARAMETER
    assert skf.SKF_ImportCertificate(container, 1, CERTIFICATE, 0) == INVALID_PARAMETER
    assert skf.SKF_ExportCertificate(container, 1, None, None) == INVALID_PARAMETER
    assert skf.SKF_GetContainerType(container, None) == INVALID_PARAMETER
