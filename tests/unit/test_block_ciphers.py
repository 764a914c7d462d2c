"""SM4 and AES as streams, against GB/T 32907, NIST SP 800-38A, Debian's OpenSSL and pycryptodome."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.ciphers import BLOCK, CipherError, CipherPaddingError, Stream, decryption, encryption, mac
from protocols.gmt import BlockCipher, Mode, Padding, SymmetricAlgorithm
from tests.rig.block_ciphers import openssl, pycryptodome

STREAM_MODES = (Mode.CFB, Mode.OFB)
MODES = (Mode.ECB, Mode.CBC, *STREAM_MODES)
GBT_32907 = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
NIST_PLAIN = bytes.fromhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
NIST_KEYS = {
    BlockCipher.AES_128: "2b7e151628aed2a6abf7158809cf4f3c",
    BlockCipher.AES_192: "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
    BlockCipher.AES_256: "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
}
NIST = {  # SP 800-38A, appendix F: the first block of each, and the second under AES-128
    (BlockCipher.AES_128, Mode.ECB): "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf",
    (BlockCipher.AES_128, Mode.CBC): "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2",
    (BlockCipher.AES_128, Mode.CFB): "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b",
    (BlockCipher.AES_128, Mode.OFB): "3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed825",
    (BlockCipher.AES_192, Mode.ECB): "bd334f1d6e45f25ff712a214571fa5cc",
    (BlockCipher.AES_192, Mode.CBC): "4f021db243bc633d7178183a9fa071e8",
    (BlockCipher.AES_192, Mode.CFB): "cdc80d6fddf18cab34c25909c99a4174",
    (BlockCipher.AES_192, Mode.OFB): "cdc80d6fddf18cab34c25909c99a4174",
    (BlockCipher.AES_256, Mode.ECB): "f3eed1bdb5d2a03c064b5a7e3db181f8",
    (BlockCipher.AES_256, Mode.CBC): "f58c4c04d6e5f1ba779eabfb5f7bfbd6",
    (BlockCipher.AES_256, Mode.CFB): "dc7e84bfda79164b7ecd8486985d3860",
    (BlockCipher.AES_256, Mode.OFB): "dc7e84bfda79164b7ecd8486985d3860",
}


def sm4(mode: Mode) -> SymmetricAlgorithm:
    return SymmetricAlgorithm(BlockCipher.SM4, mode)


def whole(stream: Stream, data: bytes) -> bytes:
    return stream.update(data) + stream.finish()


def in_pieces(stream: Stream, data: bytes, sizes: list[int]) -> bytes:
    out = b""
    for size in sizes:
        out += stream.update(data[:size])
        data = data[size:]
    return out + stream.update(data) + stream.finish()


def test_the_example_of_gbt_32907() -> None:
    """Appendix A.1."""
    enciphered = bytes.fromhex("681EDF34D206965E86B3E94F536E4246")
    assert whole(encryption(sm4(Mode.ECB), GBT_32907), GBT_32907) == enciphered
    assert whole(decryption(sm4(Mode.ECB), GBT_32907), enciphered) == GBT_32907


@pytest.mark.slow
def test_a_million_times_the_example_of_gbt_32907() -> None:
    """Appendix A.2."""
    stream, block = encryption(sm4(Mode.ECB), GBT_32907), GBT_32907
    for _ in range(1_000_000):
        block = stream.update(block)
    assert block.hex() == "595298c7c6fd271f0402f804c33d3f66"


@pytest.mark.parametrize(("cipher", "mode"), NIST, ids=lambda value: value.name)
def test_the_examples_of_nist(cipher: BlockCipher, mode: Mode) -> None:
    algorithm, key = SymmetricAlgorithm(cipher, mode), bytes.fromhex(NIST_KEYS[cipher])
    enciphered, iv = bytes.fromhex(NIST[cipher, mode]), bytes(range(BLOCK))
    plain = NIST_PLAIN[: len(enciphered)]
    assert whole(encryption(algorithm, key, iv), plain) == enciphered
    assert whole(decryption(algorithm, key, iv), enciphered) == plain


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize("blocks", [1, 2, 63, 4096])
def test_sm4_as_openssl_does_it(mode: Mode, blocks: int) -> None:
    key, iv, plain = os.urandom(16), os.urandom(16), os.urandom(blocks * BLOCK)
    enciphered = openssl(mode, key, iv, plain, "-nopad")
    assert whole(encryption(sm4(mode), key, iv), plain) == enciphered
    assert whole(decryption(sm4(mode), key, iv), enciphered) == plain


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 31, 32, 1000])
def test_sm4_over_any_length_as_openssl_does_it(mode: Mode, size: int) -> None:
    """ECB and CBC with PKCS#5's padding; CFB and OFB as the data are."""
    key, iv, plain = os.urandom(16), os.urandom(16), os.urandom(size)
    padding = Padding.NONE if mode in STREAM_MODES else Padding.PKCS5
    enciphered = openssl(mode, key, iv, plain)
    assert whole(encryption(sm4(mode), key, iv, padding), plain) == enciphered
    assert whole(decryption(sm4(mode), key, iv, padding), enciphered) == plain


@pytest.mark.parametrize("cipher", NIST_KEYS, ids=lambda cipher: cipher.name)
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_aes_as_pycryptodome_does_it(cipher: BlockCipher, mode: Mode) -> None:
    algorithm, key, iv = SymmetricAlgorithm(cipher, mode), os.urandom(cipher.key_size), os.urandom(16)
    plain = os.urandom(50 * BLOCK)
    enciphered = pycryptodome(mode, key, iv).encrypt(plain)
    assert whole(encryption(algorithm, key, iv), plain) == enciphered
    assert whole(decryption(algorithm, key, iv), enciphered) == plain


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(MODES), st.booleans(), st.binary(max_size=200), st.lists(st.integers(0, 40), max_size=9)
)
def test_pieces_of_any_size_make_the_same(mode: Mode, padded: bool, plain: bytes, sizes: list[int]) -> None:
    padding = Padding.PKCS5 if padded and mode not in STREAM_MODES else Padding.NONE
    if mode not in STREAM_MODES and not padded:
        plain = plain[: len(plain) // BLOCK * BLOCK]
    key, iv = bytes(range(16)), bytes(range(16, 32))
    enciphered = whole(encryption(sm4(mode), key, iv, padding), plain)
    assert in_pieces(encryption(sm4(mode), key, iv, padding), plain, sizes) == enciphered
    assert in_pieces(decryption(sm4(mode), key, iv, padding), enciphered, sizes) == plain


@pytest.mark.parametrize("size", [16, 32, 160, 4096])
def test_a_mac_is_the_last_block_of_cbc(size: int) -> None:
    key, iv, data = os.urandom(16), os.urandom(16), os.urandom(size)
    wanted = openssl(Mode.CBC, key, iv, data, "-nopad")[-BLOCK:]
    assert whole(mac(BlockCipher.SM4, key, iv), data) == wanted
    sizes = [random.randrange(50) for _ in range(5)]
    assert in_pieces(mac(BlockCipher.SM4, key, iv), data, sizes) == wanted


@pytest.mark.parametrize("size", [0, 1, 16, 33])
def test_a_mac_of_padded_data(size: int) -> None:
    key, iv, data = os.urandom(16), os.urandom(16), os.urandom(size)
    stream = mac(BlockCipher.SM4, key, iv, Padding.PKCS5)
    assert whole(stream, data) == openssl(Mode.CBC, key, iv, data)[-BLOCK:]


def test_a_mac_gives_nothing_away_before_its_end() -> None:
    assert mac(BlockCipher.SM4, bytes(16), bytes(16)).update(bytes(64)) == b""


@pytest.mark.parametrize("start", [encryption, decryption])
@pytest.mark.parametrize("mode", [Mode.ECB, Mode.CBC], ids=lambda mode: mode.name)
def test_without_padding_the_data_are_whole_blocks(start: Any, mode: Mode) -> None:
    for size in (1, 15, 17):
        with pytest.raises(CipherError, match="whole blocks of 16 bytes"):
            whole(start(sm4(mode), bytes(16), bytes(16)), bytes(size))
    assert whole(start(sm4(mode), bytes(16), bytes(16)), b"") == b""


def test_a_mac_without_padding_covers_whole_blocks_and_at_least_one() -> None:
    for size in (0, 1, 17):
        with pytest.raises(CipherError):
            whole(mac(BlockCipher.SM4, bytes(16), bytes(16)), bytes(size))


@pytest.mark.parametrize(
    "last", ["00" * 16, "01" * 15 + "00", "00" * 15 + "11", "00" * 14 + "0102", "ff" * 16, "10" * 15 + "0f"]
)
def test_every_wrong_padding_is_the_same_error(last: str) -> None:
    key, iv = os.urandom(16), os.urandom(16)
    enciphered = openssl(Mode.CBC, key, iv, bytes(16) + bytes.fromhex(last), "-nopad")
    stream = decryption(sm4(Mode.CBC), key, iv, Padding.PKCS5)
    with pytest.raises(CipherPaddingError) as caught:
        whole(stream, enciphered)
    assert str(caught.value) == "the deciphered data do not end in a padding"


def test_padded_data_have_at_least_one_block() -> None:
    with pytest.raises(CipherPaddingError):
        whole(decryption(sm4(Mode.ECB), bytes(16), b"", Padding.PKCS5), b"")


@pytest.mark.parametrize(
    ("algorithm", "key_size", "iv_size", "padding"),
    [
        (sm4(Mode.CBC), 15, 16, Padding.NONE),
        (sm4(Mode.CBC), 32, 16, Padding.NONE),
        (SymmetricAlgorithm(BlockCipher.AES_256, Mode.CBC), 16, 16, Padding.NONE),
        (SymmetricAlgorithm(BlockCipher.AES_128, Mode.CBC), 24, 16, Padding.NONE),
        (sm4(Mode.CBC), 16, 0, Padding.NONE),
        (sm4(Mode.CFB), 16, 15, Padding.NONE),
        (sm4(Mode.OFB), 16, 17, Padding.NONE),
        (sm4(Mode.CFB), 16, 16, Padding.PKCS5),
        (sm4(Mode.OFB), 16, 16, Padding.PKCS5),
        (sm4(Mode.MAC), 16, 16, Padding.NONE),
        (SymmetricAlgorithm(BlockCipher.SM1, Mode.ECB), 16, 16, Padding.NONE),
        (SymmetricAlgorithm(BlockCipher.SSF33, Mode.CBC), 16, 16, Padding.NONE),
    ],
)
def test_what_no_cipher_takes(
    algorithm: SymmetricAlgorithm, key_size: int, iv_size: int, padding: Padding
) -> None:
    for start in (encryption, decryption):
        with pytest.raises(CipherError):
            start(algorithm, bytes(key_size), bytes(iv_size), padding)


def test_ecb_ignores_an_iv() -> None:
    with_iv = encryption(sm4(Mode.ECB), GBT_32907, os.urandom(16))
    assert whole(with_iv, GBT_32907) == whole(encryption(sm4(Mode.ECB), GBT_32907), GBT_32907)
