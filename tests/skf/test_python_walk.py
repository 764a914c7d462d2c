"""The walk of walk.c from Python: `hostdriver.skf` over libskf_vukey, judged by the same others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from emulator.profiles import load_profile
from hostdriver.errors import (
    CancelledError,
    KeyRemovedError,
    NotFoundError,
    NotLoggedInError,
    PinIncorrectError,
)
from hostdriver.skf import (
    Application,
    Container,
    Device,
    EventWatch,
    Habits,
    Library,
    SessionKey,
    SkfFailedError,
    connect,
    device_names,
    device_state,
    layouts,
)
from hostdriver.skf.functions import FUNCTIONS, OWN_FUNCTIONS
from hostdriver.token import Event
from protocols import sm2
from protocols.digest_info import digest_info
from protocols.gmt import (
    BlockCipher,
    ContainerType,
    HashAlgorithm,
    KeyUse,
    Mode,
    NewApplication,
    Padding,
    PinInfo,
    Rights,
    RsaPublicKey,
    SymmetricAlgorithm,
    WrappedRsaPair,
)
from protocols.gmt.ecc import AgreementKeys
from tests.rig.cli import run_directory
from tests.rig.key import CERTIFICATE
from tests.rig.messages import TRANSFER
from tests.rig.patience import PATIENCE_S
from tests.rig.skf import SkfKey, library, skf_key
from tests.rig.skf_walk import ALICE, BOB, CIPHERS, IV, KEY, OUTSIDE, PLAIN, RSA_BITS, Outside

PROFILE = load_profile("bocom-2g-tendyron")
ADMIN_PIN, INITIAL_PIN, PIN = "87654321", "12345678", "271828"
PINS = NewApplication("WALK", ADMIN_PIN.encode(), 6, INITIAL_PIN.encode(), 6, Rights.USER)
SM4_ECB = SymmetricAlgorithm(BlockCipher.SM4, Mode.ECB)
TEXT = bytes((at * at + 3 * at) & 0xFF for at in range(10_000))
NOTE = bytes((7 * at) & 0xFF for at in range(3000))


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> Iterator[SkfKey]:
    with run_directory() as run, skf_key(PROFILE, "blank", run) as key:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
        yield key


class Counted(Library):
    """A library that remembers which functions were called."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.called: set[str] = set()

    def _function(self, name: str) -> object:
        self.called.add(name)
        return super()._function(name)


class Walk:
    """The parts in their order; each takes what the parts before have opened."""

    library: Counted
    device: Device
    application: Application
    ecc: Container
    rsa: Container

    def __init__(self, key: SkfKey) -> None:
        self.key = key
        self.rig = key.rig
        self.outside = Outside(key.files)
        self.save("text", TEXT)

    def save(self, name: str, data: bytes) -> None:
        (self.key.files / name).write_bytes(data)

    def log_in(self) -> None:
        self.application.verify_pin(PIN)

    def begin(self) -> None:
        self.library = Counted(str(library()))
        assert device_names(self.library) == [self.key.name]
        assert device_state(self.library, self.key.name) == 1
        self.device = connect(self.library, self.key.name)
        assert self.device.info().serial == self.rig.device.serial
        self.device.authenticate(PROFILE.device_auth_key)
        self.device.set_label("walk")
        assert self.device.info().label == "walk"
        self.device.change_key(PROFILE.device_auth_key)
        self.application = self.device.create_application(PINS)
        with pytest.raises(PinIncorrectError, match="5 tries left"):
            self.application.verify_pin("000000")
        self.application.unblock_pin(ADMIN_PIN, INITIAL_PIN)
        self.application.verify_pin(INITIAL_PIN)
        self.application.change_pin(INITIAL_PIN, PIN)
        assert self.application.pin_info() == PinInfo(6, 6, initial=False)
        self.log_in()
        self.ecc = self.application.create_container("SM2")
        self.rsa = self.application.create_container("RSA")
        assert self.application.containers() == ["SM2", "RSA"]

    def make_pairs(self) -> None:
        public = self.ecc.generate_sm2()
        assert self.ecc.public_key() == public
        self.save("sm2.public", public.encode())
        modulus = self.rsa.generate_rsa(RSA_BITS)
        assert self.rsa.public_key() == modulus
        self.save("rsa.modulus", modulus.encode_modulus())
        self.rsa.import_certificate(CERTIFICATE)
        assert self.rsa.export_certificate() == CERTIFICATE

    def digest(self, code: HashAlgorithm, data: bytes, signer: sm2.PublicKey | None = None) -> bytes:
        with self.device.begin_digest(code, signer) as digest:
            return digest.digest(data)

    def sign_sm2(self) -> None:
        public = self.ecc.public_key()
        assert isinstance(public, sm2.PublicKey)
        e = self.digest(HashAlgorithm.SM3, TRANSFER, public)
        self.log_in()
        ready = self.rig.confirmed(self.ecc.sign_sm2, e)
        self.save("sm2.ready", ready)
        self.log_in()
        with self.rig.pending(self.ecc.sign_message, ContainerType.ECC, TRANSFER, HashAlgorithm.SM3) as shown:
            assert "张三" in self.rig.shown_pages()
            self.rig.page_and_press_ok()
        self.save("sm2.shown", shown.result())
        for verify in (self.device.verify_sm2, self.device.external_sm2_verify):
            assert verify(public, e, sm2.Signature.parse(ready))
            assert not verify(public, bytes(32), sm2.Signature.parse(ready))
        self.log_in()
        sign = lambda: self.ecc.sign_message(ContainerType.ECC, TRANSFER, HashAlgorithm.SM3)  # noqa: E731
        with self.rig.ending_in(CancelledError, sign):
            self.rig.press("cancel")

    def sign_rsa(self) -> None:
        public = self.rsa.public_key()
        assert isinstance(public, RsaPublicKey)
        info = digest_info(HashAlgorithm.SHA256, self.digest(HashAlgorithm.SHA256, TRANSFER))
        self.log_in()
        ready = self.rig.confirmed(self.rsa.sign_rsa, info)
        self.save("rsa.ready", ready)
        assert self.device.verify_rsa(public, info, ready)
        assert not self.device.verify_rsa(public, info[:-1] + b"!", ready)
        self.log_in()
        shown = self.rig.confirmed(self.rsa.sign_message, ContainerType.RSA, TRANSFER, HashAlgorithm.SHA256)
        self.save("rsa.shown", shown)

    def external_keys(self) -> None:
        private = sm2.PrivateKey.from_bytes(self.outside.d)
        cipher = sm2.Ciphertext.parse(self.outside.read("outside.cipher"))
        self.save("outside.plain", self.device.external_sm2_decrypt(private, cipher))
        self.save("outside.encrypted", self.device.external_sm2_encrypt(private.public, OUTSIDE).encode())
        e = self.digest(HashAlgorithm.SM3, b"signed outside", private.public)
        self.save("outside.signature", self.device.external_sm2_sign(private, e))

        block = bytes((0, 1, 2, 3)).ljust(RSA_BITS // 8, b"\0")
        pair = self.device.generate_external_rsa(RSA_BITS)
        other = self.device.external_rsa_public(RsaPublicKey(pair.n, pair.e), block)
        assert self.device.external_rsa_private(pair, other) == block
        self.save("outside.rsa", layouts.encode_rsa_private(pair, Habits()))
        self.save("outside.block", other)

    def import_pairs(self) -> None:
        self.log_in()
        self.outside.make_encryption_pairs()
        raw = self.outside.read("envelope")
        public = sm2.PublicKey.parse(raw[32:96])
        envelope = sm2.EnvelopedKey(SM4_ECB.code, sm2.Ciphertext.parse(raw[96:]), public, raw[:32])
        self.ecc.import_sm2_key_pair(envelope)
        assert self.ecc.public_key(KeyUse.EXCHANGE) == public
        wrapped, encrypted = self.outside.read("rsa.wrapped"), self.outside.read("rsa.encrypted")
        self.rsa.import_rsa_key_pair(WrappedRsaPair(SM4_ECB.code, wrapped, encrypted, RSA_BITS))
        exchange = self.rsa.public_key(KeyUse.EXCHANGE)
        assert isinstance(exchange, RsaPublicKey)
        self.save("rsa.exchange", exchange.encode_modulus())

    def save_encrypted(self, name: str, session_key: SessionKey) -> None:
        with session_key:
            session_key.begin_encryption()
            self.save(name, session_key.encrypt(PLAIN))

    def session_keys(self) -> None:
        self.log_in()
        for name, container, to in (
            ("sm2", self.ecc, sm2.PublicKey.parse(self.outside.public)),
            ("rsa", self.rsa, RsaPublicKey(self.outside.rsa.n, self.outside.rsa.e)),
        ):
            made, wrapped = container.export_new_session_key(SM4_ECB, to)
            self.save(
                f"exported.{name}", wrapped.encode() if isinstance(wrapped, sm2.Ciphertext) else wrapped
            )
            self.save_encrypted(f"exported.{name}.text", made)
        cipher = sm2.Ciphertext.parse(self.outside.read("imported.sm2"))
        self.save_encrypted("imported.sm2.text", self.ecc.import_session_key(SM4_ECB, cipher))
        block = self.outside.read("imported.rsa")
        self.save_encrypted("imported.rsa.text", self.rsa.import_session_key(SM4_ECB, block))

    def ciphers(self) -> None:
        for name, (mode, size, options) in CIPHERS.items():
            padding = Padding.NONE if options or mode in (Mode.CFB, Mode.OFB) else Padding.PKCS5
            algorithm = SymmetricAlgorithm(BlockCipher.SM4, mode)
            with self.device.set_symmetric_key(algorithm, KEY) as held:
                held.begin_encryption(IV, padding)
                whole = held.encrypt(TEXT[:size])
                self.save(name, whole)
                held.begin_decryption(IV, padding)
                assert held.decrypt(whole) == TEXT[:size]
                held.begin_encryption(IV, padding)
                assert in_pieces(TEXT[:size], held.encrypt_piece, held.end_encryption) == whole
                held.begin_decryption(IV, padding)
                assert in_pieces(whole, held.decrypt_piece, held.end_decryption) == TEXT[:size]

    def macs_and_digests(self) -> None:
        algorithm = SymmetricAlgorithm(BlockCipher.SM4, Mode.CBC)
        with self.device.set_symmetric_key(algorithm, KEY) as held:
            with held.begin_mac(IV) as mac:
                mac.update(TEXT[:100])
                mac.update(TEXT[100:9984])
                self.save("mac.long", mac.end())
            with held.begin_mac(IV) as mac:
                self.save("mac.short", mac.mac(TEXT[:64]))
        for code in (HashAlgorithm.SM3, HashAlgorithm.SHA1, HashAlgorithm.SHA256):
            with self.device.begin_digest(code) as digest:
                digest.update(TEXT[:1])
                digest.update(TEXT[1:])
                self.save(code.name.lower(), digest.end())

    def agreement(self) -> None:
        self.log_in()
        temporary = sm2.PublicKey.parse(self.outside.read("outside.temporary"))
        bob = AgreementKeys(sm2.PublicKey.parse(self.outside.public), temporary)
        with self.ecc.start_agreement(SM4_ECB, ALICE) as begun:
            self.save("sponsor.temporary", begun.temporary.encode())
            self.save_encrypted("sponsor.text", begun.finish(bob, BOB))
        own, agreed = self.ecc.answer_agreement(SM4_ECB, bob, BOB, ALICE)
        self.save("responder.temporary", own.encode())
        self.save_encrypted("responder.text", agreed)

    def files(self) -> None:
        self.log_in()
        self.application.create_file("note", len(NOTE), Rights.ANYONE, Rights.USER)
        self.application.write_file("note", 0, NOTE)
        assert self.application.read_file("note", 0, len(NOTE)) == NOTE
        assert self.application.files() == ["note"]
        assert self.application.file_info("note") == ("note", len(NOTE), Rights.ANYONE, Rights.USER)
        self.application.delete_file("note")
        with pytest.raises(NotFoundError):
            self.application.file_info("note")

    def events(self) -> None:
        watch = EventWatch(self.library)
        assert watch.wait(0.01) is None
        self.key.pull_out()
        assert watch.wait(PATIENCE_S) == (Event.UNPLUGGED, self.key.name)
        with pytest.raises(KeyRemovedError):
            self.device.random(1)
        self.rig.wire.plug()
        self.key.show()
        assert watch.wait(PATIENCE_S) == (Event.PLUGGED, self.key.name)
        watch.close()

    def end(self) -> None:
        assert self.ecc.type() == ContainerType.ECC
        *random, high, low = self.device.transmit(bytes.fromhex("8050000008"))
        assert (len(random), high, low) == (8, 0x90, 0x00)
        self.device.lock()
        self.device.unlock()
        self.rsa.close()
        with pytest.raises(SkfFailedError, match="SAR_INVALIDHANDLEERR"):
            self.rsa.type()
        self.log_in()
        self.application.delete_container("RSA")
        self.application.clear_secure_state()
        with pytest.raises(NotLoggedInError):
            self.application.delete_container("SM2")
        self.application.close()
        assert self.device.open_application("WALK").open_container("SM2").type() == ContainerType.ECC
        assert self.device.applications() == ["WALK"]
        self.device.delete_application("WALK")
        self.events()
        self.device.disconnect()


def in_pieces(data: bytes, piece: Callable[[bytes], bytes], end: Callable[[], bytes]) -> bytes:
    """Ever longer pieces, then the rest."""
    cuts = [0, 1, 6, 23, 76, 235, 712, 2143, 6436, len(data)]
    pieces = [data[start:stop] for start, stop in pairwise(cuts)]
    return b"".join([*(piece(each) for each in pieces if each), end()])


def test_walk(key: SkfKey) -> None:
    walk = Walk(key)
    for part in (
        walk.begin, walk.make_pairs, walk.sign_sm2, walk.sign_rsa, walk.external_keys, walk.import_pairs,
        walk.session_keys, walk.ciphers, walk.macs_and_digests, walk.agreement, walk.files, walk.end,
    ):  # fmt: skip
        part()
    walk.outside.judge()
    activation = {"V_Activate", "V_GetActivation"}
    assert set(FUNCTIONS) | set(OWN_FUNCTIONS) == walk.library.called | activation
    assert len(FUNCTIONS) == 78
