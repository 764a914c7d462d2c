"""Refusals of the commands on files, key pairs and keys that come with the command."""

from __future__ import annotations

import struct
from collections.abc import Callable

from protocols.gmt import Ins, Rights
from protocols.sw import SW
from tests.rig.commands import Call, Caller
from tests.rig.good_objects import (
    NAME,
    OWN,
    SMALL_BLOCK,
    a_file,
    block,
    counted,
    envelope_fields,
    external_cipher,
    external_sm2,
    new_file,
    piece,
    place,
    rsa_der,
    rsa_fields,
    rsa_key_import,
    rsa_pair,
    rsa_private,
    rsa_public_fields,
    sm2_envelope,
    sm2_key_import,
    sm2_pair,
)
from tests.rig.key import new_application
from tests.rig.refusals import BAD_UTF8, refusal, sent, unanswered

Data = Callable[[Caller], bytes]
SM1_ECB, AES_ECB, SM4_CBC = 0x101, 0x801, 0x402

# Files


def creating(**changes: bytes | int) -> Callable[[Caller], Call]:
    return lambda k: Call(new_file(**changes), *k.application)  # type: ignore[arg-type]


def restricted(caller: Caller, create_file_rights: int) -> bytes:
    """The handle of a new application whose files not anybody may make."""
    session, name = caller.rig.session, f"RIGHT{create_file_rights}"
    new = new_application(caller.rig.profile, name)
    session.create_application(new._replace(create_file_rights=create_file_rights))
    return session.open_application(name).handle


def guarded(caller: Caller, rights: int) -> bytes:
    """The name of a file that not anybody may read or write."""
    session, name = caller.rig.session, f"file{rights}"
    if name not in session.files(caller.rig.open()):
        session.create_file(caller.rig.open(), name, 64, rights, rights)
    return name.encode()


sent(Ins.CREATE_FILE, SW.WRONG_LENGTH, lambda k: Call(new_file()[:-1], *k.application))
sent(Ins.CREATE_FILE, SW.WRONG_LENGTH, lambda k: Call(new_file() + b"\0", *k.application))
sent(Ins.CREATE_FILE, SW.WRONG_DATA, creating(name=b""))
sent(Ins.CREATE_FILE, SW.WRONG_DATA, creating(name=b"new\0er"))
sent(Ins.CREATE_FILE, SW.WRONG_DATA, creating(name=BAD_UTF8))
sent(Ins.CREATE_FILE, SW.WRONG_DATA, creating(read_rights=0x02))
sent(Ins.CREATE_FILE, SW.WRONG_DATA, creating(write_rights=0x100))
sent(Ins.CREATE_FILE, SW.ALREADY_EXISTS, lambda k: Call(new_file(a_file(k)), *k.application))
sent(Ins.CREATE_FILE, SW.NO_ROOM, creating(size=64 * 1024))
sent(Ins.CREATE_FILE, SW.NO_ROOM, creating(size=0xFFFFFFFF))


def not_permitted(rights: Rights, sw: SW) -> None:
    sent(Ins.CREATE_FILE, sw, lambda k: Call(new_file(), *restricted(k, rights)))
    sent(Ins.DELETE_FILE, sw, lambda k: Call(NAME, *restricted(k, rights)))
    sent(Ins.READ_FILE, sw, lambda k: Call(k.application + place(guarded(k, rights))))
    sent(Ins.WRITE_FILE, sw, lambda k: Call(k.application + piece(name=guarded(k, rights))))


not_permitted(Rights.ADMIN, SW.NOT_LOGGED_IN)
not_permitted(Rights.NEVER, SW.CONDITIONS_NOT_SATISFIED)


@refusal(Ins.CREATE_FILE, SW.NO_ROOM)
def too_many_files(k: Caller) -> int:
    there = len(k.rig.session.files(k.rig.open()))
    for number in range(there, k.rig.profile.max_files):
        assert k.call(Ins.CREATE_FILE, *creating(name=f"{number}".encode())(k)) == SW.OK
    return k.call(Ins.CREATE_FILE, *creating()(k))


for _ins in (Ins.DELETE_FILE, Ins.GET_FILE_INFO):
    sent(_ins, SW.NOT_FOUND, lambda k: Call(b"nothing", *k.application))
    sent(_ins, SW.WRONG_DATA, lambda k: Call(BAD_UTF8, *k.application))
    sent(_ins, SW.WRONG_DATA, lambda k: Call(b"a\0b", *k.application))


def reading(data: Data, le: int | None = 0x10000) -> Callable[[Caller], int]:
    return lambda k: k.call(Ins.READ_FILE, k.application + data(k), le=le)


refusal(Ins.READ_FILE, SW.WRONG_LENGTH)(reading(lambda k: place() + b"\0"))
refusal(Ins.READ_FILE, SW.WRONG_LENGTH)(reading(lambda k: place()[:-1]))
refusal(Ins.READ_FILE, SW.WRONG_LENGTH)(reading(lambda k: place(a_file(k)), le=None))
refusal(Ins.READ_FILE, SW.WRONG_DATA)(reading(lambda k: place(BAD_UTF8)))
refusal(Ins.READ_FILE, SW.WRONG_DATA)(reading(lambda k: place(a_file(k), offset=65)))
refusal(Ins.READ_FILE, SW.NOT_FOUND)(reading(lambda k: place(b"nothing")))


def writing(data: Data) -> Callable[[Caller], Call]:
    return lambda k: Call(k.application + data(k))


sent(Ins.WRITE_FILE, SW.WRONG_LENGTH, writing(lambda k: piece() + b"\0"))
sent(Ins.WRITE_FILE, SW.WRONG_LENGTH, writing(lambda k: piece()[:-1]))
sent(Ins.WRITE_FILE, SW.WRONG_DATA, writing(lambda k: piece(name=BAD_UTF8)))
sent(Ins.WRITE_FILE, SW.NOT_FOUND, writing(lambda k: piece(name=b"nothing")))
sent(Ins.WRITE_FILE, SW.NO_ROOM, writing(lambda k: piece(bytes(65), a_file(k))))
sent(Ins.WRITE_FILE, SW.NO_ROOM, writing(lambda k: piece(b"", a_file(k), 65)))

# Key pairs


def importing(container: str, data: Data) -> Callable[[Caller], Call]:
    return lambda k: Call(k.at(container) + data(k))


def not_its_own(k: Caller) -> bytes:
    """An envelope whose public key is another pair's."""
    return sm2_key_import(k, public=sm2_pair().public)


def other_version(k: Caller) -> bytes:
    return envelope_fields(sm2_envelope(OWN.public, OWN), version=2)


def for_another_key(k: Caller) -> bytes:
    return envelope_fields(sm2_envelope(OWN.public, OWN))


def off_the_curve(k: Caller) -> bytes:
    data = bytearray(sm2_key_import(k))
    data[-60] ^= 1
    data[12 + 36] ^= 1  # X of the public key
    return bytes(data)


sent(Ins.IMPORT_ECC_KEY_PAIR, SW.WRONG_LENGTH, importing("sm2", lambda k: sm2_key_import(k)[:-1]))
sent(Ins.IMPORT_ECC_KEY_PAIR, SW.WRONG_LENGTH, importing("sm2", lambda k: sm2_key_import(k) + b"\0"))
for _data in (not_its_own, other_version, for_another_key, off_the_curve):
    sent(Ins.IMPORT_ECC_KEY_PAIR, SW.WRONG_DATA, importing("sm2", _data))


def under_cipher(code: int, sw: SW) -> None:
    sent(Ins.IMPORT_ECC_KEY_PAIR, sw, importing("sm2", lambda k: sm2_key_import(k, algorithm=code)))
    sent(Ins.IMPORT_RSA_KEY_PAIR, sw, importing("rsa", lambda k: rsa_key_import(k, algorithm=code)))


under_cipher(0, SW.WRONG_DATA)
under_cipher(SM4_CBC, SW.WRONG_DATA)
under_cipher(AES_ECB, SW.FUNCTION_NOT_SUPPORTED)
under_cipher(SM1_ECB, SW.SECRET_ALGORITHM)
for _container in ("empty", "rsa"):
    sent(Ins.IMPORT_ECC_KEY_PAIR, SW.KEY_NOT_FOUND, importing(_container, sm2_key_import))
for _container in ("empty", "sm2"):
    sent(Ins.IMPORT_RSA_KEY_PAIR, SW.KEY_NOT_FOUND, importing(_container, rsa_key_import))


def odd_der(k: Caller) -> bytes:
    """Something in DER that is no RSA pair."""
    return rsa_key_import(k, b"\x30\x82\x01\x00" + bytes(256))


def unusual_modulus(k: Caller) -> bytes:
    return rsa_key_import(k, rsa_der(rsa_pair(1280)))


def data_after_the_key(k: Caller) -> bytes:
    return rsa_key_import(k, rsa_der(rsa_pair()) + bytes(15) + b"\1")


sent(Ins.IMPORT_RSA_KEY_PAIR, SW.WRONG_LENGTH, importing("rsa", lambda k: rsa_key_import(k)[:-1]))
sent(Ins.IMPORT_RSA_KEY_PAIR, SW.WRONG_LENGTH, importing("rsa", lambda k: rsa_key_import(k, wrapped_key=b"")))
for _data in (odd_der, unusual_modulus, data_after_the_key):
    sent(Ins.IMPORT_RSA_KEY_PAIR, SW.WRONG_DATA, importing("rsa", _data))
sent(
    Ins.IMPORT_RSA_KEY_PAIR,
    SW.WRONG_DATA,
    importing("rsa", lambda k: rsa_key_import(k, wrapped_key=block(k, 1))),
)
sent(
    Ins.IMPORT_RSA_KEY_PAIR,
    SW.WRONG_DATA,
    importing("rsa", lambda k: rsa_key_import(k, encrypted=bytes(17))),
)


@refusal(Ins.IMPORT_ECC_KEY_PAIR, SW.ALREADY_EXISTS)
def second_sm2_pair(k: Caller) -> int:
    assert k.call(Ins.IMPORT_ECC_KEY_PAIR, k.at() + sm2_key_import(k)) == SW.OK
    return k.call(Ins.IMPORT_ECC_KEY_PAIR, k.at() + sm2_key_import(k))


@refusal(Ins.IMPORT_RSA_KEY_PAIR, SW.ALREADY_EXISTS)
def second_rsa_pair(k: Caller) -> int:
    assert k.call(Ins.IMPORT_RSA_KEY_PAIR, k.at("rsa") + rsa_key_import(k)) == SW.OK
    return k.call(Ins.IMPORT_RSA_KEY_PAIR, k.at("rsa") + rsa_key_import(k))


def operating(data: Data, p1: int = 0, p2: int = 0, container: str = "rsa") -> Callable[[Caller], Call]:
    """After a login, which may last for one signature."""

    def call(k: Caller) -> Call:
        k.rig.log_in()
        return Call(k.at(container) + data(k), p1, p2)

    return call


for _p2 in (0, 1):
    sent(Ins.RSA_KEY_OPERATION, SW.WRONG_LENGTH, operating(lambda k: block(k)[1:], p2=_p2))
    sent(Ins.RSA_KEY_OPERATION, SW.WRONG_DATA, operating(lambda k: block(k, 0xFF), p2=_p2))
    sent(Ins.RSA_KEY_OPERATION, SW.KEY_NOT_FOUND, operating(block, p1=1, p2=_p2))
    sent(Ins.RSA_KEY_OPERATION, SW.KEY_NOT_FOUND, operating(block, p2=_p2, container="sm2"))
unanswered(Ins.RSA_KEY_OPERATION, operating(block))
sent(Ins.RSA_KEY_OPERATION, SW.DIGEST_REFUSED, operating(block), "no digests")
sent(Ins.RSA_KEY_OPERATION, SW.NOT_ACTIVATED, operating(block), "issued")

# Keys that come with the command


def carrying(data: bytes) -> Callable[[Caller], Call]:
    return lambda k: Call(data)


def external(ins: Ins, sw: SW, *data: bytes) -> None:
    for each in data:
        sent(ins, sw, carrying(each))


def rsa_with(**changes: int) -> bytes:
    return rsa_fields(rsa_private(rsa_pair())._replace(**changes)) + counted(SMALL_BLOCK)


PUBLIC, PRIVATE = rsa_public_fields(rsa_pair()), rsa_fields(rsa_private(rsa_pair()))
ODD_BITS = struct.pack(">I", 1000)

external(Ins.GEN_EXT_RSA_KEY, SW.WRONG_DATA, struct.pack(">H", 512))
for _ins, _key in ((Ins.EXT_RSA_PUB_KEY_OPERATION, PUBLIC), (Ins.EXT_RSA_PRI_KEY_OPERATION, PRIVATE)):
    external(
        _ins, SW.WRONG_LENGTH, _key, _key + counted(SMALL_BLOCK) + b"\0", _key + counted(SMALL_BLOCK[1:])
    )
    external(_ins, SW.WRONG_DATA, _key + counted(b"\xff" * 128), ODD_BITS + _key[4:] + counted(SMALL_BLOCK))
external(
    Ins.EXT_RSA_PUB_KEY_OPERATION,
    SW.WRONG_DATA,
    PUBLIC[:-4] + bytes(4) + counted(SMALL_BLOCK),
    PUBLIC[:-4] + struct.pack(">I", 4) + counted(SMALL_BLOCK),
    PUBLIC[:4] + bytes(128) + PUBLIC[-4:] + counted(SMALL_BLOCK),
)
external(
    Ins.EXT_RSA_PRI_KEY_OPERATION, SW.WRONG_DATA, *(rsa_with(**{name: 3}) for name in ("d", "p", "q", "dp"))
)
external(
    Ins.EXT_RSA_PRI_KEY_OPERATION,
    SW.WRONG_DATA,
    *(rsa_with(**{name: 0}) for name in ("e", "d", "dq", "qinv")),
)
_SHORT = (
    struct.pack(">I", 1024) + (15).to_bytes(128) + struct.pack(">I", 3)
)  # 15 = 5 * 3, and 3 * 3 = 1 modulo 4
_SHORT_PAIR = _SHORT + (3).to_bytes(128) + b"".join(value.to_bytes(64) for value in (5, 3, 3, 1, 2))
external(Ins.EXT_RSA_PUB_KEY_OPERATION, SW.WRONG_DATA, _SHORT + counted(b"\2"))
external(Ins.EXT_RSA_PRI_KEY_OPERATION, SW.WRONG_DATA, _SHORT_PAIR + counted(b"\2"))
for _ins, _key, _tail in (
    (Ins.EXT_ECC_ENCRYPT, OWN.point, counted(b"text")),
    (Ins.EXT_ECC_DECRYPT, OWN.d, external_cipher()),
    (Ins.EXT_ECC_SIGN, OWN.d, counted(bytes(32))),
):
    external(_ins, SW.WRONG_LENGTH, external_sm2(_key, _tail)[:-1], external_sm2(_key, _tail + b"\0"))
    external(_ins, SW.WRONG_DATA, external_sm2(_key, _tail, bits=192), external_sm2(bytes(len(_key)), _tail))
external(Ins.EXT_ECC_ENCRYPT, SW.WRONG_DATA, external_sm2(OWN.point, counted(b"")))
external(Ins.EXT_ECC_DECRYPT, SW.WRONG_DATA, external_sm2(sm2_pair().d, external_cipher()))
external(Ins.EXT_ECC_DECRYPT, SW.WRONG_DATA, external_sm2(OWN.d, external_cipher()[:96] + counted(b"")))
external(Ins.EXT_ECC_SIGN, SW.WRONG_DATA, external_sm2(OWN.d, counted(bytes(31))))
external(Ins.EXT_ECC_SIGN, SW.WRONG_DATA, external_sm2(b"\xff" * 32, counted(bytes(32))))
