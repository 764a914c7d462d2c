"""Encryption, decryption and MACs on the key, opened and made by OpenSSL and pycryptodome (G33)."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from hostdriver.errors import ApduFailedError, KeyNotFoundError, SecretAlgorithmError
from hostdriver.gmt import GmtSession
from hostdriver.gmt.ciphers import ModeFixedError
from hostdriver.gmt.session_keys import SessionKey
from hostdriver.transport import Transport
from protocols.apdu import parse_command
from protocols.dialect import DIALECTS
from protocols.gmt import BlockCipher, HashAlgorithm, Ins, Mode, Padding, SymmetricAlgorithm
from protocols.gmt.session_keys import CipherStart
from protocols.sw import SW
from tests.rig.block_ciphers import openssl, pycryptodome
from tests.rig.key import KeyRig

MODES = (Mode.ECB, Mode.CBC, Mode.CFB, Mode.OFB)
STREAM_MODES = (Mode.CFB, Mode.OFB)
SM4_CBC = SymmetricAlgorithm(BlockCipher.SM4, Mode.CBC)
VALUE, IV = bytes(range(16)), bytes(range(100, 116))
SIZES = (16, 240, 256, 4096, 5008)
ALL = 0x10000


def sm4_key(rig: KeyRig, mode: Mode = Mode.CBC, value: bytes = VALUE) -> SessionKey:
    """A key of the device."""
    return rig.session.set_symmetric_key(SymmetricAlgorithm(BlockCipher.SM4, mode), value)


def iv_of(mode: Mode) -> bytes:
    return b"" if mode is Mode.ECB else IV


def sender(rig: KeyRig, ins: Ins, key: SessionKey) -> Callable[[bytes], bytes]:
    """The command on the key, with data to come."""
    return lambda data: rig.session.send(ins, key.handles + data, le=ALL)


# One call


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.limits(max_apdu_data=256)
def test_openssl_opens_what_the_key_encrypts_and_the_other_way(rig: KeyRig, mode: Mode) -> None:
    """In one command and in many: this key takes 256 bytes at a time."""
    key = sm4_key(rig, mode)
    for size in SIZES:
        plain = os.urandom(size)
        enciphered = openssl(mode, VALUE, IV, plain, "-nopad")
        assert rig.session.encrypt(key, plain, iv=iv_of(mode)) == enciphered
        assert rig.session.decrypt(key, enciphered, iv=iv_of(mode)) == plain


class Tap:
    """A transport that remembers how many bytes of data each command carried."""

    def __init__(self, transport: Transport) -> None:
        self.name, self.reset, self.close = transport.name, transport.reset, transport.close
        self._exchange = transport.exchange
        self.lengths: list[int] = []

    def exchange(self, apdu: bytes) -> bytes:
        self.lengths.append(len(parse_command(apdu).data))
        return self._exchange(apdu)


@pytest.mark.limits(max_apdu_data=256)
def test_the_host_cuts_data_as_the_key_takes_them(rig: KeyRig) -> None:
    """In one command as long as that will do; handles count."""
    key, tap = sm4_key(rig, Mode.CFB), Tap(rig.session.transport)
    with_tap = GmtSession(tap, rig.session.dialect)
    for size, wanted in ((250, [256]), (251, [256, 7, 6]), (1000, [256] * 4 + [6])):
        plain = os.urandom(size)
        tap.lengths.clear()
        assert with_tap.encrypt(key, plain, iv=IV) == openssl(Mode.CFB, VALUE, IV, plain)
        assert tap.lengths[-len(wanted) :] == wanted
        assert max(tap.lengths) <= 256
    tap.lengths.clear()
    with_tap.digest(HashAlgorithm.SM3, bytes(257))
    assert tap.lengths == [0, 256, 1, 0]


@pytest.mark.parametrize("mode", [Mode.ECB, Mode.CBC], ids=lambda mode: mode.name)
@pytest.mark.limits(max_apdu_data=256)
def test_padded_data_of_any_length(rig: KeyRig, mode: Mode) -> None:
    key = sm4_key(rig, mode)
    for size in (0, 1, 15, 16, 17, 239, 240, 250, 251, 1000):
        plain = os.urandom(size)
        enciphered = openssl(mode, VALUE, IV, plain)
        assert rig.session.encrypt(key, plain, iv=iv_of(mode), padding=Padding.PKCS5) == enciphered
        assert rig.session.decrypt(key, enciphered, iv=iv_of(mode), padding=Padding.PKCS5) == plain


@pytest.mark.parametrize("mode", STREAM_MODES, ids=lambda mode: mode.name)
@pytest.mark.limits(max_apdu_data=256)
def test_feedback_modes_take_any_length_as_it_is(rig: KeyRig, mode: Mode) -> None:
    key = sm4_key(rig, mode)
    for size in (0, 1, 17, 249, 1001):
        plain = os.urandom(size)
        enciphered = openssl(mode, VALUE, IV, plain)
        assert rig.session.encrypt(key, plain, iv=IV) == enciphered
        assert rig.session.decrypt(key, enciphered, iv=IV, feed_bits=128) == plain


@pytest.mark.limits(ciphers=("sm4", "aes"))
@pytest.mark.parametrize("cipher", [c for c in BlockCipher if c.name.startswith("AES")], ids=lambda c: c.name)
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_aes_where_the_profile_has_it(rig: KeyRig, cipher: BlockCipher, mode: Mode) -> None:
    value, plain = os.urandom(cipher.key_size), os.urandom(5008)
    key = rig.session.set_symmetric_key(SymmetricAlgorithm(cipher, mode), value)
    enciphered = pycryptodome(mode, value, IV).encrypt(plain)
    assert rig.session.encrypt(key, plain, iv=iv_of(mode)) == enciphered
    assert rig.session.decrypt(key, enciphered, iv=iv_of(mode)) == plain


@pytest.mark.limits(ciphers=("sm4", "aes"))
def test_no_mac_under_an_aes_key(rig: KeyRig) -> None:
    key = rig.session.set_symmetric_key(SymmetricAlgorithm(BlockCipher.AES_128, Mode.CBC), VALUE)
    assert status(rig, Ins.MAC_INIT, key.handles + CipherStart(0x810, IV).encode()) == SW.WRONG_DATA
    assert status(rig, Ins.MAC_INIT, key.handles + CipherStart(0x410, IV).encode()) == SW.WRONG_DATA


@pytest.mark.limits(max_apdu_data=256)
def test_a_mac_is_the_last_block_of_openssls_cbc(rig: KeyRig) -> None:
    key = sm4_key(rig)
    for size in SIZES:
        data = os.urandom(size)
        assert rig.session.mac(key, data, iv=IV) == openssl(Mode.CBC, VALUE, IV, data, "-nopad")[-16:]
    for size in (0, 1, 16, 255, 1001):
        data = os.urandom(size)
        wanted = openssl(Mode.CBC, VALUE, IV, data)[-16:]
        assert rig.session.mac(key, data, iv=IV, padding=Padding.PKCS5) == wanted


def test_a_key_works_in_every_mode_of_its_cipher(rig: KeyRig) -> None:
    plain = os.urandom(64)
    for key in (sm4_key(rig, mode) for mode in (*MODES, Mode.MAC)):
        for mode in MODES:
            enciphered = openssl(mode, VALUE, IV, plain, "-nopad")
            assert rig.session.encrypt(key, plain, mode=mode, iv=IV) == enciphered
            assert rig.session.decrypt(key, enciphered, mode=mode, iv=IV) == plain


@pytest.mark.limits(ciphers=("sm4", "aes"))
def test_but_not_in_another_ciphers(rig: KeyRig) -> None:
    key = sm4_key(rig)
    start = CipherStart(SymmetricAlgorithm(BlockCipher.AES_128, Mode.CBC).code, IV)
    for ins in (Ins.ENCRYPT_INIT, Ins.DECRYPT_INIT):
        assert status(rig, ins, key.handles + start.encode()) == SW.WRONG_DATA


@pytest.mark.parametrize("_", [pytest.param(0, marks=pytest.mark.limits(dialect=d), id=d) for d in DIALECTS])
def test_in_every_dialect(rig: KeyRig, _: int) -> None:
    plain = os.urandom(100)
    enciphered = openssl(Mode.CBC, VALUE, IV, plain)
    for key in (sm4_key(rig), rig.session.set_symmetric_key(SM4_CBC, VALUE, rig.container())):
        assert rig.session.encrypt(key, plain, iv=IV, padding=Padding.PKCS5) == enciphered
        assert rig.session.decrypt(key, enciphered, iv=IV, padding=Padding.PKCS5) == plain
        assert rig.session.mac(key, plain, iv=IV, padding=Padding.PKCS5) == enciphered[-16:]


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param("00000402" + "0010" + IV.hex() + "00000000" * 2, id="default"),
        pytest.param(
            "02040000" + "1000" + IV.hex() + "00000000" * 2,
            id="sunyard",
            marks=pytest.mark.limits(dialect="sunyard"),
        ),
        pytest.param(
            "02040000" + IV.hex() + "00" * 16 + "10000000" + "00000000" * 2,
            id="synochip",
            marks=pytest.mark.limits(dialect="synochip"),
        ),
    ],
)
def test_the_bytes_of_encrypt_init(rig: KeyRig, tail: str) -> None:
    """G34: two fields, or GM/T 0016's BLOCKCIPHERPARAM of 44 bytes."""
    key = sm4_key(rig)
    data = key.handles + bytes.fromhex(tail)
    assert rig.raw(b"\x80\xa4\0\0\0" + len(data).to_bytes(2) + data).hex() == "9000"
    answer = rig.raw(b"\x80\xa6\0\0\0\0\x16" + key.handles + bytes(16) + b"\0\0")
    assert answer == openssl(Mode.CBC, VALUE, IV, bytes(16), "-nopad") + b"\x90\0"


@pytest.mark.limits(dialect="sunyard")
def test_decrypt_init_without_an_algorithm(rig: KeyRig) -> None:
    """G34: the key's own algorithm holds."""
    key = sm4_key(rig)
    data = key.handles + bytes.fromhex("1000") + IV + bytes(8)
    assert rig.raw(b"\x80\xac\0\0\0" + len(data).to_bytes(2) + data).hex() == "9000"
    enciphered = openssl(Mode.CBC, VALUE, IV, bytes(32), "-nopad")
    assert sender(rig, Ins.DECRYPT, key)(enciphered) == bytes(32)
    with pytest.raises(ModeFixedError):
        rig.session.decrypt(key, enciphered, mode=Mode.ECB)
    for mode in (Mode.MAC, Mode.ECB):
        other = sm4_key(rig, mode)
        wanted = SW.WRONG_DATA if mode is Mode.MAC else SW.OK
        assert status(rig, Ins.DECRYPT_INIT, other.handles + data[6:]) == wanted


def test_secret_algorithms(rig: KeyRig) -> None:
    for cipher in (BlockCipher.SM1, BlockCipher.SSF33):
        named = SessionKey(None, sm4_key(rig).key_id, SymmetricAlgorithm(cipher, Mode.CBC))
        for call in (rig.session.encrypt, rig.session.decrypt, rig.session.mac):
            with pytest.raises(SecretAlgorithmError):
                call(named, bytes(16), iv=IV)


def test_a_padding_that_is_none(rig: KeyRig) -> None:
    key = sm4_key(rig)
    for last in ("00" * 16, "00" * 15 + "11", "00" * 14 + "0302"):
        enciphered = openssl(Mode.CBC, VALUE, IV, bytes(16) + bytes.fromhex(last), "-nopad")
        with pytest.raises(ApduFailedError) as caught:
            rig.session.decrypt(key, enciphered, iv=IV, padding=Padding.PKCS5)
        assert caught.value.sw == SW.WRONG_DATA


# Piece by piece


def status(rig: KeyRig, ins: Ins, data: bytes) -> int:
    """The status word of a command in the raw."""
    try:
        rig.session.send(ins, data, le=ALL)
    except ApduFailedError as error:
        return error.sw
    return SW.OK


def begin(rig: KeyRig, ins: Ins, key: SessionKey, mode: Mode = Mode.CBC, padding: int = 0) -> None:
    start = CipherStart(SymmetricAlgorithm(BlockCipher.SM4, mode).code, IV, padding)
    rig.session.send(ins, key.handles + start.encode())


def feed(
    rig: KeyRig, update: Ins, final: Ins, key: SessionKey, pieces: list[bytes], last: bytes = b""
) -> bytes:
    answers = map(sender(rig, update, key), pieces)
    return b"".join((*answers, sender(rig, final, key)(last)))


def cut(data: bytes, *sizes: int) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


@pytest.mark.parametrize("sizes", [(1, 15, 0, 17, 3), (16, 16), (0,), (5, 5, 5, 5, 5, 80)])
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_pieces_of_any_size(rig: KeyRig, mode: Mode, sizes: tuple[int, ...]) -> None:
    key, plain = sm4_key(rig), os.urandom(112)
    enciphered = openssl(mode, VALUE, IV, plain, "-nopad")
    begin(rig, Ins.ENCRYPT_INIT, key, mode)
    assert feed(rig, Ins.ENCRYPT_UPDATE, Ins.ENCRYPT_FINAL, key, cut(plain, *sizes)) == enciphered
    begin(rig, Ins.DECRYPT_INIT, key, mode)
    assert feed(rig, Ins.DECRYPT_UPDATE, Ins.DECRYPT_FINAL, key, cut(enciphered, *sizes)) == plain


def test_final_may_carry_the_rest(rig: KeyRig) -> None:
    """Assumed: the table of commands gives Final a data field too."""
    key, plain = sm4_key(rig), os.urandom(40)
    enciphered = openssl(Mode.CBC, VALUE, IV, plain)
    begin(rig, Ins.ENCRYPT_INIT, key, padding=Padding.PKCS5)
    update, final = Ins.ENCRYPT_UPDATE, Ins.ENCRYPT_FINAL
    assert feed(rig, update, final, key, [plain[:21]], plain[21:]) == enciphered
    begin(rig, Ins.DECRYPT_INIT, key, padding=Padding.PKCS5)
    update, final = Ins.DECRYPT_UPDATE, Ins.DECRYPT_FINAL
    assert feed(rig, update, final, key, [enciphered[:21]], enciphered[21:]) == plain


def test_the_last_block_waits_for_its_padding(rig: KeyRig) -> None:
    """Whole blocks of plaintext come out as soon as more follows them."""
    key = sm4_key(rig)
    enciphered = openssl(Mode.CBC, VALUE, IV, bytes(32))
    begin(rig, Ins.DECRYPT_INIT, key, padding=Padding.PKCS5)
    pieces = map(sender(rig, Ins.DECRYPT_UPDATE, key), cut(enciphered, 16, 16))
    assert [len(piece) for piece in pieces] == [0, 16, 16]
    assert sender(rig, Ins.DECRYPT_FINAL, key)(b"") == b""


def test_a_mac_in_pieces(rig: KeyRig) -> None:
    key, data = sm4_key(rig), os.urandom(80)
    begin(rig, Ins.MAC_INIT, key, Mode.MAC)
    wanted = openssl(Mode.CBC, VALUE, IV, data, "-nopad")[-16:]
    assert feed(rig, Ins.MAC_UPDATE, Ins.MAC_FINAL, key, cut(data, 3, 30, 0, 16)) == wanted


SERIES = [
    (Ins.ENCRYPT_INIT, Ins.ENCRYPT, Ins.ENCRYPT_UPDATE, Ins.ENCRYPT_FINAL, Mode.CBC),
    (Ins.DECRYPT_INIT, Ins.DECRYPT, Ins.DECRYPT_UPDATE, Ins.DECRYPT_FINAL, Mode.CBC),
    (Ins.MAC_INIT, Ins.MAC, Ins.MAC_UPDATE, Ins.MAC_FINAL, Mode.MAC),
]


@pytest.mark.parametrize(("init", "whole", "update", "final", "mode"), SERIES)
def test_whole_and_final_are_the_end(
    rig: KeyRig, init: Ins, whole: Ins, update: Ins, final: Ins, mode: Mode
) -> None:
    key = sm4_key(rig)
    for ended in (whole, final):
        begin(rig, init, key, mode)
        assert status(rig, ended, key.handles + bytes(16)) == SW.OK
        for ins in (whole, update, final):
            assert status(rig, ins, key.handles + bytes(16)) == SW.CONDITIONS_NOT_SATISFIED


@pytest.mark.parametrize(("init", "whole", "update", "final", "mode"), SERIES)
def test_init_begins_anew(rig: KeyRig, init: Ins, whole: Ins, update: Ins, final: Ins, mode: Mode) -> None:
    key, data = sm4_key(rig), os.urandom(32)
    begin(rig, init, key, mode)
    wanted = sender(rig, whole, key)(data)
    begin(rig, init, key, mode)
    sender(rig, update, key)(bytes(7))
    begin(rig, init, key, mode)
    assert sender(rig, whole, key)(data) == wanted


def test_a_refused_init_leaves_what_was_under_way(rig: KeyRig) -> None:
    key = sm4_key(rig)
    begin(rig, Ins.ENCRYPT_INIT, key)
    assert status(rig, Ins.ENCRYPT_INIT, key.handles + CipherStart(0x402, b"short").encode()) == SW.WRONG_DATA
    wanted = openssl(Mode.CBC, VALUE, IV, bytes(16), "-nopad")
    assert sender(rig, Ins.ENCRYPT, key)(bytes(16)) == wanted


def test_a_key_encrypts_or_decrypts_but_not_both(rig: KeyRig) -> None:
    key = sm4_key(rig)
    for first, second, ended in (
        (Ins.ENCRYPT_INIT, Ins.DECRYPT_INIT, Ins.ENCRYPT_UPDATE),
        (Ins.DECRYPT_INIT, Ins.ENCRYPT_INIT, Ins.DECRYPT_UPDATE),
    ):
        begin(rig, first, key)
        begin(rig, second, key)
        assert status(rig, ended, key.handles + bytes(16)) == SW.CONDITIONS_NOT_SATISFIED


def interleaved(one: Callable[[bytes], bytes], other: Callable[[bytes], bytes]) -> tuple[bytes, bytes]:
    """Two works fed in turns."""
    first = second = b""
    for number in range(5):
        first += one(bytes((number,)) * 10)
        second += other(bytes((255 - number,)) * 10)
    return first, second


FIRST = b"".join(bytes((number,)) * 10 for number in range(5)) + bytes(14)
SECOND = b"".join(bytes((255 - number,)) * 10 for number in range(5)) + bytes(14)


def test_two_keys_at_once(rig: KeyRig) -> None:
    keys = [sm4_key(rig), rig.session.set_symmetric_key(SM4_CBC, bytes(16), rig.container())]
    for key in keys:
        begin(rig, Ins.ENCRYPT_INIT, key)
    one, other = (sender(rig, Ins.ENCRYPT_UPDATE, key) for key in keys)
    first, second = interleaved(one, other)
    first += sender(rig, Ins.ENCRYPT_FINAL, keys[0])(bytes(14))
    second += sender(rig, Ins.ENCRYPT_FINAL, keys[1])(bytes(14))
    assert first == openssl(Mode.CBC, VALUE, IV, FIRST, "-nopad")
    assert second == openssl(Mode.CBC, bytes(16), IV, SECOND, "-nopad")


def test_a_mac_beside_an_encryption(rig: KeyRig) -> None:
    key = sm4_key(rig)
    begin(rig, Ins.ENCRYPT_INIT, key)
    begin(rig, Ins.MAC_INIT, key, Mode.MAC)
    first, nothing = interleaved(sender(rig, Ins.ENCRYPT_UPDATE, key), sender(rig, Ins.MAC_UPDATE, key))
    assert nothing == b""
    first += sender(rig, Ins.ENCRYPT_FINAL, key)(bytes(14))
    assert first == openssl(Mode.CBC, VALUE, IV, FIRST, "-nopad")
    assert sender(rig, Ins.MAC_FINAL, key)(bytes(14)) == openssl(Mode.CBC, VALUE, IV, SECOND, "-nopad")[-16:]


def test_an_encryption_survives_other_commands(rig: KeyRig) -> None:
    key = sm4_key(rig)
    begin(rig, Ins.ENCRYPT_INIT, key)
    first = sender(rig, Ins.ENCRYPT_UPDATE, key)(FIRST[:20])
    rig.log_in()
    rig.session.generate_sm2(rig.session.create_container(rig.open(), "other"))
    rest = sender(rig, Ins.ENCRYPT_FINAL, key)(FIRST[20:])
    assert first + rest == openssl(Mode.CBC, VALUE, IV, FIRST, "-nopad")


def test_no_such_key(rig: KeyRig) -> None:
    sm4_key(rig)
    for call in (rig.session.encrypt, rig.session.decrypt, rig.session.mac):
        with pytest.raises(KeyNotFoundError):
            call(SessionKey(None, b"\xff\xff", SM4_CBC), bytes(16), iv=IV)
