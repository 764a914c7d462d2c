"""What makers split on, held against bytes written by hand from the published tables (G2, G4, G8, G10, G14, G27-G34).

Each check builds its bytes with struct from the table's words and the name of the dialect alone; that every value of
a dialect matters to some check is a test of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from typing import Any

import gmalg
import pytest

from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.profiles import load_profile
from hostdriver.errors import CancelledError
from protocols import dialect as dialects
from protocols import gmt, pin
from protocols.dialect import DEFAULT, DIALECTS, Dialect
from protocols.fields import FieldValueError, LayoutError
from protocols.gmt import Ins, SignInput, ecc, files, session_keys
from protocols.sm2 import Ciphertext, EnvelopedKey, PublicKey, Signature
from protocols.sw import SW
from tests.rig.key import KeyRig, changed, stored
from tests.rig.messages import TRANSFER
from vukey_testing.targets import InProcess

ORDER = {"default": ">", "longmai": ">", "sunyard": "<", "synochip": "<"}
"""G2: Longmai's keys are big-endian, Sunyard's and Synochip's little-endian."""

# An envelope that others published (tests/vectors/sm2/enveloped-keys.json, HeTu), read off its DER by hand.
C1 = bytes.fromhex(
    "C9FFF8295895DE4728E8F9245758673F09E0834C6FEC53EB8844E6F9E7FAE14D"
    "FF1ED9B38ECA4E93B70D5241405F5C71E8282182C46C1B1174F577BF2FB2AA0F"
)
C3 = bytes.fromhex("340F0D05F37F62341AF111599B983F14E5D3ADF998939EB2714F0FE5A3D403B6")
C2 = bytes.fromhex("5F965347D37AFC599D9CBCADED9400B1")
XY = bytes.fromhex(
    "14701D9806315101D929CC4711969879CFD29C112C4F0CD57E1BF46E3BDF8E5D"
    "A554E430BE646EB75EE8EB9FB012052DF2DF19CAF275591E5D1B77018D6E1F8D"
)
ENCRYPTED = bytes.fromhex("94C85DE786EBBEF626E89B35F821CC1C02B341381892A18F5F7B5E912D92C93A")


def point(xy: bytes) -> PublicKey:
    return PublicKey(int.from_bytes(xy[:32]), int.from_bytes(xy[32:]))


CIPHER = Ciphertext(point(C1), C3, C2)
KEY_ID = b"\x50\x01"
R, S = bytes(range(32)), bytes(range(32, 64))

Check = Callable[[Dialect], None]
CHECKS: list[Check] = []


def check(made: Check) -> Check:
    """A test of every dialect, and again of each dialect with one value changed."""
    CHECKS.append(made)
    return made


def packed(dialect: Dialect, layout: str, *values: object) -> bytes:
    """Numbers in the order that the table gives the maker."""
    return struct.pack(ORDER[dialect.name] + layout, *values)


def both_ways(value: Any, data: bytes, dialect: Dialect) -> None:
    """The layout makes these bytes of the value, and the value of these bytes."""
    assert value.encode(dialect) == data
    assert type(value).decode(data, dialect) == value


# Device, applications, containers, files


@check
def get_dev_info(dialect: Dialect) -> None:  # G5
    info = gmt.DeviceInfo(
        "Maker", "Bank", "key", "52", (1, 0), (2, 3),
        0x0401, 0x00030100, 7, 0x0401, 0x10000, 0xABCD, 0x0F80, 16, 17, 0x0102, 3, 4,
    )  # fmt: skip
    texts = struct.pack("2s2s64s64s32s32s", b"\1\0", b"\1\0", b"Maker", b"Bank", b"key", b"52")
    numbers = packed(dialect, "6I", 0x0401, 0x00030100, 7, 0x0401, 0x10000, 0xABCD)
    limits = packed(dialect, "3H2BH", 0x0F80, 3, 4, 16, 17, 0x0102)
    both_ways(info, texts + b"\1\0\2\3" + numbers + limits + bytes(54), dialect)


@check
def create_application(dialect: Dialect) -> None:
    """G14: 32 bytes of name and 80 in all, or 48 and 96."""
    width, size = {"synochip": (48, 96)}.get(dialect.name, (32, 80))
    data = b"BANK".ljust(width, b"\0") + b"admin".ljust(16, b"\0") + packed(dialect, "I", 6)
    data += b"12345678".ljust(16, b"\0") + packed(dialect, "2I2BH", 10, 0x11, 4, 5, 0x0102)
    assert len(data) == size
    both_ways(gmt.NewApplication("BANK", b"admin", 6, b"12345678", 10, 0x11, 4, 5, 0x0102), data, dialect)


@check
def open_application(dialect: Dialect) -> None:
    data = packed(dialect, "I2BH", 0xFF, 16, 16, 256) + b"\x10\x00"
    both_ways(gmt.ApplicationInfo(0xFF, 16, 16, 256, b"\x10\x00"), data, dialect)


@check
def get_container_info(dialect: Dialect) -> None:
    """G15. A real key of Longmai's answered this: 02 00000100 00000100 01 01."""
    data = packed(dialect, "B2I2B", 2, 256, 256, 1, 1)
    if ORDER[dialect.name] == ">":
        assert data == bytes.fromhex("02 00000100 00000100 01 01")
    both_ways(gmt.ContainerInfo(2, 256, 256, True, True), data, dialect)


@check
def names_of_containers(dialect: Dialect) -> None:
    assert dialect.container_name == {"longmai": 39}.get(dialect.name, 64)


@check
def create_file(dialect: Dialect) -> None:
    """G27: the name's field has 32 bytes in GM/T 0016, 40 and 48 on two makers' keys."""
    width = {"sunyard": 40, "synochip": 48}.get(dialect.name, 32)
    data = b"terms.txt".ljust(width, b"\0") + packed(dialect, "3I", 1000, 0xFF, 0x10)
    both_ways(files.NewFile("terms.txt", files.FileInfo(1000, 0xFF, 0x10)), data, dialect)
    both_ways(files.FileInfo(1000, 0xFF, 0x10), data[width:], dialect)


@check
def read_and_write_file(dialect: Dialect) -> None:  # G27
    place = packed(dialect, "2H", 0x0102, 9) + b"terms.txt"
    both_ways(files.FilePlace("terms.txt", 0x0102), place, dialect)
    piece = place + packed(dialect, "H", 3) + b"abc"
    both_ways(files.FilePiece(files.FilePlace("terms.txt", 0x0102), b"abc"), piece, dialect)


# PINs: blocks and MACs by gmalg's SM4

CHALLENGE = bytes.fromhex("1122334455667788")
MAC_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")


@check
def verify_pin(dialect: Dialect) -> None:
    """G8: the random number and eight zeros; Longmai's has 08 00 before it and 80 behind."""
    form = {"longmai": "0800 1122334455667788 80 0000000000"}
    block = bytes.fromhex(form.get(dialect.name, "1122334455667788 0000000000000000"))
    expected = bytes(gmalg.SM4(MAC_KEY).encrypt(block))
    assert pin.verify_cryptogram(MAC_KEY, CHALLENGE, dialect.pin_block) == expected


def cbc_mac(text: bytes) -> bytes:
    """SM4-CBC-MAC from the random number and eight zeros on; 80 and zeros pad (G10)."""
    text += b"\x80"
    state = CHALLENGE + bytes(8)
    for at in range(0, len(text), 16):
        block = text[at : at + 16].ljust(16, b"\0")
        mixed = bytes(a ^ b for a, b in zip(state, block, strict=True))
        state = bytes(gmalg.SM4(MAC_KEY).encrypt(mixed))
    return state[:4]


@check
def line_protection(dialect: Dialect) -> None:
    """G10: what stands for the lengths under the MAC of ChangePIN, whose Lc (22) counts it; Synochip's has no MAC."""
    lengths = {"sunyard": "0016 0000", "synochip": None}.get(dialect.name, "00 0016")
    body = b"\x10\x00" + bytes(range(16))
    expected = b"" if lengths is None else cbc_mac(bytes.fromhex(f"84160001 {lengths}") + body)
    assert pin.line_mac(MAC_KEY, CHALLENGE, bytes.fromhex("84160001"), body, dialect) == expected
    assert pin.mac_length(dialect) == len(expected)


# Key pairs


def cipher_words(dialect: Dialect) -> bytes:
    return C1 + C3 + packed(dialect, "I", 16) + C2


@check
def import_ecc_key_pair(dialect: Dialect) -> None:
    """G32: the private key, its length before it, first or last; in 32 bytes, or 64 with zeros behind."""
    head, bits = packed(dialect, "3I", 1, 0x0401, 256), packed(dialect, "I", 256)
    if dialect.name == "synochip":
        private = packed(dialect, "I", 64) + ENCRYPTED + bytes(32)
        data = head + cipher_words(dialect) + bits + XY + private
    else:
        private = packed(dialect, "I", 32) + ENCRYPTED
        data = head + private + XY + bits + cipher_words(dialect)
    envelope = EnvelopedKey(0x0401, CIPHER, point(XY), ENCRYPTED)
    assert ecc.encode_envelope(envelope, dialect) == data
    assert ecc.decode_envelope(data, dialect) == envelope
    for field in (ENCRYPTED, ENCRYPTED + bytes(32), bytes(32) + ENCRYPTED):  # either end is taken
        other = data.replace(private, packed(dialect, "I", len(field)) + field)
        assert ecc.decode_envelope(other, dialect) == envelope


@check
def import_rsa_key_pair(dialect: Dialect) -> None:
    """G28: Sunyard's names the modulus' bits between the two parts."""
    named = dialect.name == "sunyard"
    data = packed(dialect, "2I", 0x0401, 5) + b"block"
    data += (packed(dialect, "I", 2048) if named else b"") + packed(dialect, "I", 4) + b"pair"
    assert gmt.WrappedRsaPair(0x0401, b"block", b"pair", 2048).encode(dialect) == data
    wanted = gmt.WrappedRsaPair(0x0401, b"block", b"pair", 2048 if named else 0)
    assert gmt.WrappedRsaPair.decode(data, dialect) == wanted


@check
def generate_rsa_key_pair(dialect: Dialect) -> None:
    assert dialect.generate_rsa_p1 == {"synochip": 1}.get(dialect.name, 0)


# SM2 from outside


@check
def ext_ecc_encrypt(dialect: Dialect) -> None:
    """G30: bits before and the length of C2 in it; Synochip's is 04, C1, C3, C2."""
    answer = packed(dialect, "I", 256) + cipher_words(dialect)
    if dialect.name == "synochip":
        answer = b"\x04" + C1 + C3 + C2
    assert ecc.encode_encrypted(CIPHER, dialect) == answer
    assert ecc.decode_encrypted(answer, dialect) == CIPHER


@check
def ext_ecc_sign(dialect: Dialect) -> None:
    """G30: Synochip's answers r and s alone."""
    answer = (b"" if dialect.name == "synochip" else packed(dialect, "I", 256)) + R + S
    assert ecc.encode_signed(R + S, dialect) == answer
    assert ecc.decode_signed(answer, dialect) == Signature(int.from_bytes(R), int.from_bytes(S))


@check
def ecc_export_session_key(dialect: Dialect) -> None:
    """G33: the cipher as everywhere else and the KeyID, or C1 last."""
    bits, length = packed(dialect, "I", 256), packed(dialect, "I", 16)
    answer = bits + C1 + C3 + length + C2 + KEY_ID
    if dialect.name == "sunyard":
        answer = C3 + length + C2 + KEY_ID + bits + C1
    both_ways(ecc.ExportedKey(KEY_ID, CIPHER), answer, dialect)


@check
def agreement(dialect: Dialect) -> None:
    """G31: both answers have 72 bytes."""
    answer = packed(dialect, "I", 256) + XY + packed(dialect, "I", 0x5001)
    assert len(answer) == 72
    both_ways(ecc.AgreementAnswer(point(XY), 0x5001), answer, dialect)
    keys = packed(dialect, "I", 256) + XY + packed(dialect, "I", 256) + C1
    sponsor, responder = (packed(dialect, "I", 5) + name for name in (b"Alice", b"Bobby"))
    both_ways(ecc.AgreementStart(0x0401, b"Alice"), packed(dialect, "I", 0x0401) + sponsor, dialect)
    both = ecc.AgreementKeys(point(XY), point(C1))
    reply = packed(dialect, "I", 0x0401) + keys + sponsor + responder
    both_ways(ecc.AgreementReply(0x0401, both, b"Alice", b"Bobby"), reply, dialect)
    end = packed(dialect, "I", 0x5001) + keys + responder
    both_ways(ecc.AgreementEnd(0x5001, both, b"Bobby"), end, dialect)


# Session keys


@check
def keys_that_come_in(dialect: Dialect) -> None:  # G33
    wrapped = packed(dialect, "I", 256) + cipher_words(dialect)
    data = packed(dialect, "2I", 0x0402, len(wrapped)) + wrapped
    both_ways(session_keys.WrappedKey(0x0402, wrapped), data, dialect)
    plain = packed(dialect, "IH", 0x0401, 16) + MAC_KEY
    both_ways(session_keys.PlainKey(0x0401, MAC_KEY), plain, dialect)


@check
def encrypt_init(dialect: Dialect) -> None:
    """G34: length (2) and IV, padding, feed bits; or the 44 bytes of GM/T 0016's BLOCKCIPHERPARAM."""
    tail = packed(dialect, "2I", 1, 128)
    parameters = packed(dialect, "H", 16) + MAC_KEY + tail
    if dialect.name == "synochip":
        parameters = MAC_KEY + bytes(16) + packed(dialect, "I", 16) + tail
        assert len(parameters) == 44
    data = packed(dialect, "I", 0x0404) + parameters
    both_ways(session_keys.CipherStart(0x0404, MAC_KEY, 1, 128), data, dialect)
    nameless = session_keys.CipherStart(None, MAC_KEY, 1, 128)
    assert nameless.encode(dialect) == parameters
    assert session_keys.CipherStart.decode(parameters, dialect, names_algorithm=False) == nameless


@check
def decrypt_init(dialect: Dialect) -> None:
    """G34: Sunyard's does not say the algorithm again."""
    assert dialect.decrypt_init_algorithm == (dialect.name != "sunyard")


@check
def digest_init(dialect: Dialect) -> None:
    data = packed(dialect, "I", 256) + XY + packed(dialect, "I", 5) + b"Alice"
    both_ways(session_keys.DigestSigner(point(XY), b"Alice"), data, dialect)


# Numbers


@check
def disputed_numbers(dialect: Dialect) -> None:
    """G4: 5C is one maker's RSA operation and the other's export of a key that it holds; so with 80."""
    synochip = {
        0x5C: Ins.RSA_EXPORT_HELD_KEY,
        0x5E: Ins.RSA_VERIFY,
        0x7F: Ins.EXT_ECC_VERIFY,
        0x80: Ins.ECC_EXPORT_HELD_KEY,
    }
    others = {0x5C: Ins.RSA_KEY_OPERATION, 0x5E: Ins.RSA_VERIFY, 0x80: Ins.EXT_ECC_VERIFY, 0x7F: None}
    meant = synochip if dialect.name == "synochip" else others
    assert {number: dialect.command(number) for number in meant} == meant
    lacking = {Ins.RSA_KEY_OPERATION} if meant is synochip else set(Ins) - set(DEFAULT_NUMBERS)
    assert {ins for ins in Ins if dialect.number(ins) is None} == lacking


DEFAULT_NUMBERS = [ins for ins in Ins if ins < 0x100]


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("made", CHECKS, ids=lambda made: made.__name__)
def test_the_bytes_of_every_dialect(made: Check, name: str) -> None:
    made(DIALECTS[name])


OTHERS: dict[str, tuple[object, ...]] = {
    "byte_order": ("big", "little"),
    "pin_block": (1, 2),
    "line_mac": ("lc", "lc-le", "none"),
    "application_name": (32, 48),
    "file_name": (32, 40, 48),
    "container_name": (39, 64),
    "envelope": ("key-first", "cipher-first"),
    "envelope_key": (32, 64),
    "rsa_import_bits": (False, True),
    "session_key_answer": ("cipher-first", "hash-first"),
    "ext_cipher": ("counted", "point"),
    "ext_signature_bits": (False, True),
    "cipher_parameters": ("fields", "block"),
    "decrypt_init_algorithm": (False, True),
    "generate_rsa_p1": (0, 1),
    "numbers": ({}, {Ins.RSA_KEY_OPERATION: None}, {Ins.EXT_ECC_VERIFY: 0x7F}),
}
"""Every value that a dialect may have."""


def fails(made: Check, dialect: Dialect) -> bool:
    try:
        made(dialect)
    except (AssertionError, LayoutError):
        return True
    return False


def test_every_value_of_a_dialect_is_held_by_some_check() -> None:
    """Changed in any dialect, each is noticed. No maker's dialect has status words of its own yet."""
    assert OTHERS.keys() == {field.name for field in fields(Dialect)} - {"name", "private_sw"}
    for dialect in DIALECTS.values():
        for name, values in OTHERS.items():
            for value in values:
                if value != getattr(dialect, name):
                    change: dict[str, Any] = {name: value}
                    changed = replace(dialect, **change)
                    assert any(fails(made, changed) for made in CHECKS), (dialect.name, name, value)


def test_every_value_occurs() -> None:
    """No value stands in the code that no dialect has."""
    for name, values in OTHERS.items():
        if name != "numbers":
            assert {getattr(dialect, name) for dialect in DIALECTS.values()} == set(values), name


# Beyond the splits


@pytest.mark.parametrize("name", DIALECTS)
def test_an_encrypted_private_key_of_more_than_32_bytes(name: str) -> None:
    """G32: 64 bytes of which both halves say something are no SM2 key."""
    dialect = DIALECTS[name]
    envelope = ecc.encode_envelope(EnvelopedKey(0x0401, CIPHER, point(XY), ENCRYPTED), DIALECTS[name])
    field = packed(dialect, "I", dialect.envelope_key) + ENCRYPTED.ljust(dialect.envelope_key, b"\0")
    both = envelope.replace(field, packed(dialect, "I", 64) + ENCRYPTED * 2)
    with pytest.raises(FieldValueError):
        ecc.decode_envelope(both, dialect)
    with pytest.raises(LayoutError):
        ecc.decode_envelope(envelope.replace(field, packed(dialect, "I", 33) + bytes(33)), dialect)


def test_the_default_is_the_reading_that_most_share() -> None:
    assert DIALECTS["default"] == DEFAULT == Dialect()


def test_status_words_of_a_makers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """G22: nobody has published any, so this dialect is the test's; the host reads them as ours."""
    own = Dialect("own", private_sw={SW.CANCELLED: 0x6F01})
    monkeypatch.setattr(dialects, "DIALECTS", {"own": own})
    profile, clock = changed(load_profile("bocom-2g-tendyron"), dialect="own"), ManualClock()
    device = Device(profile, storage=stored(profile, "ready"), clock=clock)
    rig = KeyRig(device, clock, InProcess, profile.ready_user_pin)
    rig.log_in()
    handles, length = rig.container().handles.hex(), 4 + len(TRANSFER)
    with rig.pending(rig.raw, f"80740100 00{length:04X} {handles}{TRANSFER.hex()} 0000") as answer:
        rig.press("cancel")
    assert answer.result() == bytes.fromhex("6F01")
    rig.log_in()
    call = partial(rig.session.sign_sm2, rig.container(), TRANSFER, SignInput.MESSAGE)
    with rig.ending_in(CancelledError, call):
        rig.press("cancel")
    rig.close()
