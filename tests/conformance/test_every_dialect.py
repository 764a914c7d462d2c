"""A key's life in every dialect: through our host's session, and by APDUs made by hand from the published tables.

The bytes of each layout by themselves are tests/unit/test_dialects.py's.
"""

from __future__ import annotations

import hashlib
import struct

import gmalg
import pytest

from hostdriver.errors import (
    NewPinRefusedError,
    NoSuchCommandError,
    PinIncorrectError,
    PinLockedError,
)
from hostdriver.gmt.ciphers import ModeFixedError
from protocols import sm2
from protocols.dialect import DIALECTS
from protocols.gmt import (
    BlockCipher,
    ContainerInfo,
    KeyUse,
    Mode,
    Padding,
    PinType,
    Rights,
    SignInput,
    SymmetricAlgorithm,
)
from protocols.gmt.ecc import AgreementKeys
from protocols.sw import SW
from tests.rig.encryption_pairs import fresh_d, give_sm2_pair, sm2_unwrapped, sm2_wrapped
from tests.rig.key import CERTIFICATE, KeyRig, new_application
from tests.rig.libcrypto import Sm2Key
from tests.rig.messages import TRANSFER
from tests.rig.verifiers import sm2_digest, sm2_verifies

SM4_CBC = SymmetricAlgorithm(BlockCipher.SM4, Mode.CBC)
IV = bytes(range(16))
KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")

pytestmark = [
    pytest.mark.parametrize(
        "name", [pytest.param(name, marks=pytest.mark.limits(dialect=name)) for name in DIALECTS]
    ),
    pytest.mark.limits(pin__user__cache="session", pin__user__weak="accept"),
]


def sm4(key: bytes, data: bytes) -> bytes:
    """SM4-ECB by gmalg."""
    cipher = gmalg.SM4(key)
    return b"".join(bytes(cipher.encrypt(data[at : at + 16])) for at in range(0, len(data), 16))


def cbc(key: bytes, data: bytes, state: bytes = IV) -> bytes:
    """SM4-CBC by gmalg, block by block."""
    blocks = []
    for at in range(0, len(data), 16):
        mixed = bytes(a ^ b for a, b in zip(state, data[at : at + 16], strict=True))
        state = sm4(key, mixed)
        blocks.append(state)
    return b"".join(blocks)


# Through the session


@pytest.mark.stage("blank")
def test_a_whole_life(rig: KeyRig, name: str) -> None:
    """Issued, handed over, used, renewed, blocked and unblocked."""
    session, profile, admin_pin = rig.session, rig.profile, rig.profile.pin.admin.initial
    rig.authenticate_device()
    session.create_application(new_application(profile))
    info = session.device_info()
    assert (info.max_containers, info.max_apdu_data) == (profile.max_containers, profile.max_apdu_data)
    application = rig.log_in()
    assert application[:4] == (Rights.ANYONE, profile.max_containers, 16, 16)

    container = session.create_container(application, "SM2")
    public = session.generate_sm2(container)
    session.import_certificate(container, CERTIFICATE)
    d = fresh_d()
    give_sm2_pair(session, container, d)
    session.import_certificate(container, CERTIFICATE, use=KeyUse.EXCHANGE)
    assert session.container_info(application, "SM2") == ContainerInfo(2, 256, 256, True, True)
    assert session.export_certificate(container, use=KeyUse.EXCHANGE) == CERTIFICATE
    assert session.public_key(container) == public
    assert session.public_key(container, use=KeyUse.EXCHANGE) == sm2.PrivateKey.from_bytes(d).public

    session.change_pin(application, rig.user_pin, "628318")
    with pytest.raises(PinIncorrectError) as caught:
        session.change_pin(application, rig.user_pin, "314159")
    assert caught.value.left == profile.pin.user.tries - 1
    session.verify_pin(application, "628318")
    signature = rig.confirmed(session.sign_sm2, container, TRANSFER, SignInput.MESSAGE)
    assert sm2_verifies(public, TRANSFER, signature)

    for _ in range(profile.pin.user.tries):
        with pytest.raises(PinIncorrectError):
            session.verify_pin(application, "999111")
    with pytest.raises(PinLockedError):
        session.change_pin(application, "628318", "314159")
    with pytest.raises(PinIncorrectError):
        session.unblock_pin(application, "999111", "314159")
    session.unblock_pin(application, admin_pin, "314159")
    session.verify_pin(application, "314159")
    with pytest.raises(NewPinRefusedError):
        session.change_pin(application, "314159", "1")
    session.change_pin(application, admin_pin, "13572468", PinType.ADMIN)
    session.verify_pin(application, "13572468", PinType.ADMIN)


def test_files(rig: KeyRig, name: str) -> None:
    session, application = rig.session, rig.log_in()
    session.create_file(application, "terms.txt", 3000, Rights.ANYONE, Rights.USER)
    session.write_file(application, "terms.txt", TRANSFER, 1500)
    assert session.file_info(application, "terms.txt") == (3000, Rights.ANYONE, Rights.USER)
    assert session.read_file(application, "terms.txt", 1500, len(TRANSFER)) == TRANSFER
    assert session.files(application) == ["terms.txt"]
    session.delete_file(application, "terms.txt")


def test_session_keys(rig: KeyRig, name: str) -> None:
    """One made on the key and one brought in: both encipher as gmalg does, and decipher it again."""
    session, dialect = rig.session, rig.session.dialect
    rig.log_in()
    container, d = rig.container(), fresh_d()
    give_sm2_pair(session, container, d)
    made, cipher = session.export_new_session_key(container, SM4_CBC, sm2.PrivateKey.from_bytes(d).public)
    brought = session.import_session_key(container, SM4_CBC, sm2_wrapped(d, KEY))
    plain = TRANSFER[: len(TRANSFER) // 16 * 16]
    for key, value in ((made, sm2_unwrapped(d, cipher)), (brought, KEY)):
        enciphered = session.encrypt(key, plain, iv=IV)
        assert enciphered == cbc(value, plain)
        assert session.decrypt(key, enciphered, iv=IV) == plain
        assert session.mac(key, plain, iv=IV) == enciphered[-16:]
        padded = session.encrypt(key, b"short", iv=IV, padding=Padding.PKCS5)
        assert padded == cbc(value, b"short" + b"\x0b" * 11)
    if dialect.decrypt_init_algorithm:
        assert session.decrypt(brought, sm4(KEY, plain), mode=Mode.ECB) == plain
    else:
        with pytest.raises(ModeFixedError):
            session.decrypt(brought, sm4(KEY, plain), mode=Mode.ECB)
    if name == "synochip":
        again = session.export_held_session_key(brought, sm2.PrivateKey.from_bytes(d).public)
        assert sm2_unwrapped(d, again) == KEY
    else:
        with pytest.raises(NoSuchCommandError):
            session.export_held_session_key(brought, sm2.PrivateKey.from_bytes(d).public)


def test_both_sides_of_an_agreement(rig: KeyRig, name: str) -> None:
    session, application = rig.session, rig.log_in()
    pairs = []
    for label in ("sponsor", "responder"):
        container = session.create_container(application, label)
        session.generate_sm2(container)
        d = fresh_d()
        give_sm2_pair(session, container, d)
        pairs.append((container, sm2.PrivateKey.from_bytes(d).public))
    (sponsor, sponsor_key), (responder, responder_key) = pairs
    begun = session.start_agreement(sponsor, SM4_CBC, b"Alice")
    temporary, theirs = session.answer_agreement(
        responder, SM4_CBC, AgreementKeys(sponsor_key, begun.temporary), b"Alice", b"Bob"
    )
    ours = session.finish_agreement(begun, AgreementKeys(responder_key, temporary), b"Bob")
    assert session.encrypt(ours, IV, iv=IV) == session.encrypt(theirs, IV, iv=IV)


def test_keys_that_come_with_the_command(rig: KeyRig, name: str) -> None:
    session, d = rig.session, fresh_d()
    private = sm2.PrivateKey.from_bytes(d)
    cipher = session.external_sm2_encrypt(private.public, b"plain")
    assert sm2_unwrapped(d, cipher) == b"plain"
    assert session.external_sm2_decrypt(private, sm2_wrapped(d, b"plain")) == b"plain"
    digest = sm2_digest(private.public, TRANSFER)
    signature = session.external_sm2_sign(private, digest)
    assert sm2_verifies(private.public, TRANSFER, signature)
    assert session.external_sm2_verify(private.public, digest, signature)
    assert not session.external_sm2_verify(private.public, digest, signature._replace(s=signature.r))


def test_a_longest_name_of_a_container(rig: KeyRig, name: str) -> None:
    longest = {"longmai": 39}.get(name, 64)
    application = rig.log_in()
    rig.session.create_container(application, "c" * longest)
    long = (application.handle + b"c" * (longest + 1)).hex()
    assert rig.status(f"80400000 0000{2 + longest + 1:02X} {long} 0002") == SW.WRONG_LENGTH


# By hand


class Maker:
    """A host that knows nothing of our code: numbers packed in its maker's order, commands written out."""

    def __init__(self, rig: KeyRig, name: str) -> None:
        self.rig = rig
        self.name = name
        self.order = "<" if name in ("sunyard", "synochip") else ">"

    def pack(self, layout: str, *values: object) -> bytes:
        return struct.pack(self.order + layout, *values)

    def send(self, head: str, data: bytes = b"", le: int | None = None) -> bytes:
        """A command in extended form (G1); its answer, which must be a good one."""
        answer = self.rig.raw(self._apdu(head, data, le))
        assert answer[-2:] == b"\x90\x00", answer[-2:].hex()
        return answer[:-2]

    def confirmed(self, head: str, data: bytes, le: int) -> bytes:
        """The same, when the person confirms."""
        answer = self.rig.confirmed(self.rig.raw, self._apdu(head, data, le))
        assert answer[-2:] == b"\x90\x00"
        return answer[:-2]

    def refused(self, head: str, data: bytes = b"") -> str:
        return self.rig.raw(self._apdu(head, data, 0)).hex().upper()

    @staticmethod
    def _apdu(head: str, data: bytes, le: int | None) -> bytes:
        apdu = bytes.fromhex(head)
        if data:
            apdu += b"\0" + len(data).to_bytes(2) + data
        if le is None:
            return apdu
        return apdu + (b"" if data else b"\0") + le.to_bytes(2)

    def open(self) -> bytes:
        """The bank's application: its handle."""
        answer = self.send("80260000", self.rig.profile.application.encode(), 10)
        assert answer[:8] == self.pack("I2BH", 0xFF, 8, 16, 16)
        return answer[8:]

    def container(self, application: bytes, label: bytes) -> bytes:
        """Both handles."""
        return application + self.send("80420000", application + label, 2)

    def challenge(self) -> bytes:
        return self.send("80500000", le=8)

    def log_in(self, application: bytes, pin: str) -> None:
        """G7, G8."""
        form = {"longmai": (b"\x08\0", b"\x80" + bytes(5))}
        before, after = form.get(self.name, (b"", bytes(8)))
        self.send("80180001", application + sm4(pin_key(pin), before + self.challenge() + after))

    def new_pin(self, application: bytes, old: str, new: bytes) -> bytes:
        """What ChangePIN carries (G9, G10)."""
        body = application + sm4(pin_key(old), new.ljust(16, b"\0"))
        lengths = {"sunyard": "0016 0000", "synochip": None}.get(self.name, "00 0016")
        if lengths is None:
            return body
        text = bytes.fromhex(f"84160001 {lengths}") + body + b"\x80"
        text += bytes(-len(text) % 16)
        return body + cbc(pin_key(old), text, self.challenge() + bytes(8))[-16:][:4]

    def point(self, xy: bytes) -> bytes:
        return self.pack("I", 256) + xy

    def cipher(self, public: bytes, plain: bytes) -> bytes:
        """C1, C3, length, C2 by libcrypto."""
        point, tag, data = sm2.Ciphertext.parse_der(Sm2Key.public(public).encrypt(plain))
        return point.encode() + tag + self.pack("I", len(plain)) + data


def pin_key(pin: str) -> bytes:
    return hashlib.sha1(pin.encode().ljust(16, b"\0")).digest()[:16]


def pair() -> tuple[bytes, bytes]:
    """A private key, and its point by libcrypto."""
    d = fresh_d()
    return d, Sm2Key.private(d).point


@pytest.fixture
def maker(rig: KeyRig, name: str) -> Maker:
    return Maker(rig, name)


@pytest.mark.stage("blank")
def test_creating_an_application_by_hand(maker: Maker) -> None:
    """G14: 80 bytes, or 96."""
    maker.rig.authenticate_device()
    width = 48 if maker.name == "synochip" else 32
    data = maker.rig.profile.application.encode().ljust(width, b"\0")
    data += b"87654321".ljust(16, b"\0") + maker.pack("I", 6) + b"12345678".ljust(16, b"\0")
    data += maker.pack("2I2BH", 6, 0xFF, 16, 16, 16)
    assert maker.refused("80200000", data[:-1]) == "6700"
    maker.send("80200000", data)
    assert maker.send("80220000", le=0) == maker.rig.profile.application.encode() + b"\0\0"
    application = maker.open()
    maker.log_in(application, "12345678")
    assert maker.send("80140001", application, 3) == bytes((6, 6, 1))


def test_pins_by_hand(maker: Maker) -> None:
    pin, application = maker.rig.user_pin, maker.open()
    if maker.name == "synochip":
        assert maker.refused("84160001", maker.new_pin(application, pin, b"628318")) == "6982"
        maker.log_in(application, pin)
    maker.send("84160001", maker.new_pin(application, pin, b"628318"))
    maker.log_in(application, "628318")
    if maker.name != "synochip":
        assert maker.refused("84160001", maker.new_pin(application, pin, b"314159")) == "63C5"


def test_sm2_pairs_by_hand(maker: Maker) -> None:
    """G15, G16, G18, G32: a signature pair, an encryption pair under it, a signature."""
    application = maker.open()
    maker.log_in(application, maker.rig.user_pin)
    place = application + maker.send("80400000", application + b"new", 2)
    xy = maker.send("80700000", place + maker.pack("I", 256), 64)
    assert maker.send("80880100", place, 0) == maker.point(xy)
    assert maker.send("804A0000", application + b"new", 11) == maker.pack("B2I2B", 2, 256, 0, 0, 0)

    d, exchange = pair()
    head, wrapped = maker.pack("3I", 1, 0x0401, 256), maker.cipher(xy, KEY)
    if maker.name == "synochip":
        private = maker.pack("I", 64) + sm4(KEY, d) + bytes(32)
        maker.send("80720000", place + head + wrapped + maker.point(exchange) + private)
    else:
        private = maker.pack("I", 32) + sm4(KEY, d)
        maker.send("80720000", place + head + private + exchange + maker.pack("I", 256) + wrapped)
    assert maker.send("80880000", place, 0) == maker.point(exchange)
    assert maker.send("804A0000", application + b"new", 11) == maker.pack("B2I2B", 2, 256, 256, 0, 0)

    answer = maker.confirmed("80740100", place + TRANSFER, 68)
    assert (len(answer), answer[:4]) == (68, maker.pack("I", 256))
    judge = gmalg.SM2(pk=b"\x04" + xy, uid=b"1234567812345678")
    assert judge.verify(TRANSFER, answer[4:36], answer[36:])


def test_session_keys_by_hand(maker: Maker) -> None:
    """G33, G34: a new key under an SM2 key, EncryptInit with it, DecryptInit."""
    application = maker.open()
    maker.log_in(application, maker.rig.user_pin)
    place = maker.container(application, b"SM2-SIGN")
    d, xy = pair()
    answer = maker.send("80780000", place + maker.point(xy) + maker.pack("I", 0x0402), 0)
    bits, length = maker.pack("I", 256), maker.pack("I", 16)
    if maker.name == "sunyard":
        c3, c2, key_id, c1 = answer[:32], answer[36:52], answer[52:54], answer[58:]
        assert answer == c3 + length + c2 + key_id + bits + c1
    else:
        c1, c3, c2, key_id = answer[4:68], answer[68:100], answer[104:120], answer[120:]
        assert answer == bits + c1 + c3 + length + c2 + key_id
    assert (len(c1), len(key_id)) == (64, 2)
    value = bytes(gmalg.SM2(sk=d).decrypt(b"\x04" + c1 + c3 + c2))

    key, parameters = place + key_id, maker.pack("H", 16) + IV + maker.pack("2I", 0, 0)
    if maker.name == "synochip":
        parameters = IV + bytes(16) + maker.pack("3I", 16, 0, 0)
    algorithm = maker.pack("I", 0x0402)
    maker.send("80A40000", key + algorithm + parameters)
    enciphered = maker.send("80A60000", key + KEY * 3, 0)
    assert enciphered == cbc(value, KEY * 3)
    maker.send("80AC0000", key + (b"" if maker.name == "sunyard" else algorithm) + parameters)
    assert maker.send("80AE0000", key + enciphered, 0) == KEY * 3
    other = algorithm if maker.name == "sunyard" else b""
    assert maker.refused("80AC0000", key + other + parameters) in ("6700", "6A80")


def test_external_keys_by_hand(maker: Maker) -> None:
    """G30, G4: two forms of cipher and signature, and where ExtECCVerify is."""
    d, xy = pair()
    answer = maker.send("807A0000", maker.point(xy) + maker.pack("I", 16) + KEY, 0)
    if maker.name == "synochip":
        cipher = answer
        assert (len(answer), answer[:1]) == (113, b"\x04")
    else:
        assert (answer[:4], answer[100:104]) == (maker.pack("I", 256), maker.pack("I", 16))
        cipher = b"\x04" + answer[4:100] + answer[104:]
    assert bytes(gmalg.SM2(sk=d).decrypt(cipher)) == KEY
    opened = maker.send("807C0000", maker.pack("I", 256) + d + maker.cipher(xy, KEY), 0)
    assert opened == maker.pack("I", 16) + KEY

    digest = sm2_digest(sm2.PublicKey.parse(xy), TRANSFER)
    signed = maker.send("807E0000", maker.pack("I", 256) + d + maker.pack("I", 32) + digest, 0)
    if maker.name != "synochip":
        assert signed[:4] == maker.pack("I", 256)
        signed = signed[4:]
    assert len(signed) == 64
    assert gmalg.SM2(pk=b"\x04" + xy, uid=b"1234567812345678").verify(TRANSFER, signed[:32], signed[32:])
    data = maker.point(xy) + maker.pack("I", 32) + digest + signed
    maker.send("80760000", data)
    maker.send("807F0000" if maker.name == "synochip" else "80800000", data)
    assert maker.refused("80600000", data) == "6D00"
    if maker.name != "synochip":
        assert maker.refused("807F0000", data) == "6D00"


def test_files_by_hand(maker: Maker) -> None:
    """G27: the application's handle in P1 and P2; a name of 32, 40 or 48 bytes."""
    application = maker.open()
    maker.log_in(application, maker.rig.user_pin)
    width = {"sunyard": 40, "synochip": 48}.get(maker.name, 32)
    about = maker.pack("3I", 100, 0xFF, 0x10)
    assert maker.refused(f"8030{application.hex()}", b"a".ljust(width + 1, b"\0") + about) == "6700"
    maker.send(f"8030{application.hex()}", b"a".ljust(width, b"\0") + about)
    assert maker.send(f"8036{application.hex()}", b"a", 12) == about
    place = maker.pack("2H", 0x30, 1) + b"a"
    maker.send("803A0000", application + place + maker.pack("H", 3) + b"xyz")
    assert maker.send("80380000", application + place, 4) == b"xyz\0"
    assert maker.send(f"8034{application.hex()}", le=0) == b"a\0\0"


def test_p1_of_generate_rsa_key_pair_by_hand(maker: Maker) -> None:
    """G28: a key takes either; our host sends its dialect's."""
    application = maker.open()
    maker.log_in(application, maker.rig.user_pin)
    for p1 in ("00", "01"):
        place = application + maker.send("80400000", application + f"rsa{p1}".encode(), 2)
        answer = maker.send(f"8054{p1}00", place + maker.pack("H", 1024), 0)
        assert (len(answer), answer[128:]) == (132, maker.pack("I", 65537))
    container = maker.rig.session.create_container(maker.rig.open(), "ours")
    assert maker.rig.session.generate_rsa(container, 1024).bits == 1024


def test_what_captures_of_a_real_key_show(maker: Maker) -> None:
    """G1: the very commands, byte for byte, but for our names and handles (tests/vectors/gmt)."""
    application = maker.open()
    raw = maker.rig.raw
    assert len(raw("80040000000000")) == 288 + 2
    assert len(raw("80500000000008")) == 8 + 2
    assert raw("80220000000000") == b"BOCOM\0\0\x90\x00"
    assert raw("80260000000005" + b"BOCOM".hex() + "000A")[8:] == application + b"\x90\x00"
    container = raw(f"8042000000000A{application.hex()}{b'SM2-SIGN'.hex()}0002")
    assert len(container) == 2 + 2
    assert raw(f"80460000000002{application.hex()}").endswith(b"SM2-SIGN\0\0\x90\x00")
    certificate = raw(f"804E0100000004{application.hex()}{container[:2].hex()}0000")
    assert certificate[:-2] == maker.pack("I", len(CERTIFICATE)) + CERTIFICATE
