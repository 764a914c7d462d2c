"""The structures of GM/T 0016 §6.4: bytes written by hand, and answers of a library that make no sense."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostdriver.errors import AnswerError
from hostdriver.skf import layouts
from hostdriver.skf.habits import Habits, said, sm2_sign_seen
from protocols import sm2
from protocols.errors import ProtocolError
from protocols.gmt import RsaPublicKey

POINT = sm2.PublicKey(sm2.GX, sm2.GY)
X, Y = POINT.encode()[:32], POINT.encode()[32:]
LEFT = Habits(alignment="left")
SIZES = {
    layouts.decode_point: layouts.ECC_PUBLIC_SIZE,
    layouts.decode_signature: layouts.ECC_SIGNATURE_SIZE,
    layouts.decode_cipher: layouts.CIPHER_HEAD + 32,
    layouts.decode_rsa: layouts.RSA_PUBLIC_SIZE,
    layouts.decode_rsa_private: layouts.RSA_PRIVATE_SIZE,
    layouts.DeviceInfo.decode: layouts.DEVICE_INFO_SIZE,
}


def bits(number: int) -> bytes:
    return struct.pack("=I", number)


def test_a_point_at_either_end() -> None:
    right = bits(256) + bytes(32) + X + bytes(32) + Y
    left = bits(256) + X + bytes(32) + Y + bytes(32)
    assert layouts.encode_point(POINT, Habits()) == right
    assert layouts.encode_point(POINT, LEFT) == left
    for raw, alignment in ((right, "right"), (left, "left")):
        assert layouts.decode_point(raw) == POINT
        assert layouts.alignment_seen(raw) == alignment


def test_a_cipher_and_an_envelope() -> None:
    cipher = sm2.Ciphertext(POINT, bytes(range(32)), b"cipher")
    blob = bytes(32) + X + bytes(32) + Y + bytes(range(32)) + bits(6) + b"cipher"
    assert layouts.encode_cipher(cipher, Habits()) == blob
    assert layouts.decode_cipher(blob + bytes(9)) == cipher
    enveloped = sm2.EnvelopedKey(0x401, cipher, POINT, b"\x11" * 32)
    head = bits(1) + bits(0x401) + bits(256) + bytes(32) + b"\x11" * 32
    public = bits(256) + bytes(32) + X + bytes(32) + Y
    assert layouts.encode_envelope(enveloped, Habits()) == head + public + blob


def test_rsa_of_half_its_field() -> None:
    key = RsaPublicKey((1 << 1023) + 7, 65537)
    n = key.n.to_bytes(128)
    head, exponent = bits(0x10000) + bits(1024), bytes((0, 1, 0, 1))
    assert layouts.encode_rsa(key, Habits()) == head + bytes(128) + n + exponent
    assert layouts.encode_rsa(key, LEFT) == head + n + bytes(128) + exponent
    for habits in (Habits(), LEFT):
        assert layouts.decode_rsa(layouts.encode_rsa(key, habits)) == key
    with pytest.raises(ProtocolError, match="do not fit into a field of 256"):
        layouts.encode_rsa(RsaPublicKey(1 << 4095, 65537), Habits())


def test_cipher_parameters() -> None:
    assert layouts.encode_parameters(b"\x01" * 16, 1, 8) == b"\x01" * 16 + bytes(16) + bits(16) + bits(
        1
    ) + bits(8)
    with pytest.raises(ProtocolError):
        layouts.encode_parameters(bytes(33), 0, 0)


@pytest.mark.parametrize(
    ("raw", "names"),
    [
        (b"", []),
        (b"\0\0", []),
        (b"A\0B\0\0", ["A", "B"]),
        (b"A\0B\0\0C\0\0", ["A", "B"]),
        (b"A\0B", ["A", "B"]),
        ("容器\0\0".encode(), ["容器"]),
        (b"\xc8\xdd\0\0", ["\udcc8\udcdd"]),
    ],
)
def test_lists_of_names(raw: bytes, names: list[str]) -> None:
    assert layouts.names_of(raw) == names
    assert [layouts.bytes_of(name) for name in names] == [
        name for name in raw.split(b"\0\0")[0].split(b"\0") if name
    ]


@pytest.mark.parametrize(
    ("decode", "raw"),
    [
        (layouts.decode_point, bits(512) + bytes(128)),
        (layouts.decode_point, bits(256) + bytes(32) + X + bytes(32) + X),
        (layouts.decode_point, bits(256) + b"\1" + bytes(31) + X + bytes(32) + Y),
        (layouts.decode_signature, b"\1" * 128),
        (layouts.decode_cipher, bytes(32) + X + bytes(32) + Y + bytes(32) + bits(0xFFFFFFFF)),
        (layouts.decode_cipher, bytes(32) + X + bytes(32) + Y + bytes(32) + bits(0)),
        (layouts.decode_rsa, bits(0x10000) + bits(0) + bytes(260)),
        (layouts.decode_rsa, bits(0x10000) + bits(4096) + b"\xff" * 260),
        (layouts.decode_rsa, bits(0x10000) + bits(2048) + b"\x7f" * 260),
        (layouts.decode_rsa_private, bits(0x10000) + bits(4096) + b"\xff" * 1156),
    ],
)
def test_answers_that_make_no_sense(decode: Callable[[bytes], object], raw: bytes) -> None:
    with pytest.raises(AnswerError):
        decode(raw)


@given(data=st.data())
def test_garbage_is_an_answer_error_or_nothing(data: st.DataObject) -> None:
    decode = data.draw(st.sampled_from(list(SIZES)))
    raw = data.draw(st.binary(min_size=SIZES[decode], max_size=SIZES[decode]))
    with suppress(AnswerError):
        decode(raw)


def test_habits() -> None:
    assert said(None) == {}
    assert said("left, names-40") == {"alignment": "left", "file_name": 40}
    shifted = Habits(sm2_sign=0x00020200)
    assert (shifted.sm2_exchange, shifted.sm2_encrypt) == (0x00020400, 0x00020800)
    assert (Habits().sm2_exchange, Habits().sm2_encrypt) == (0x00020200, 0x00020400)
    for asymmetric, sign in (
        (0x30700, 0x20100),
        (0x30E00, 0x20200),
        (0x10000, 0x20100),
        (0xA5A5A5A5, 0x20100),
    ):
        assert sm2_sign_seen(asymmetric) == sign
