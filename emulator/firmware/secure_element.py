"""The secure element: PINs and private keys by slot. What it holds never crosses it.

A PIN lies here as its key (docs/facts.md G7), because that is what the protocol compares with; keys lie as DER or
raw integers. All of them are test keys: a file is no smart-card chip.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from emulator.firmware import rsa_numbers
from emulator.firmware.refused import Refused
from emulator.hardware.entropy import Entropy
from emulator.hardware.storage import Storage, Transaction
from protocols import pin, sm2, sm4
from protocols.dialect import Dialect
from protocols.gmt import RSA_BITS, RSA_EXPONENT, RsaPrivateKey, RsaPublicKey, WrappedRsaPair
from protocols.hashing import HASHES
from protocols.sw import SW

Result = TypeVar("Result")

_PADDING = padding.PKCS1v15()
_SM2_SIZE = sm2.SIZE
_NO_DIGEST_INFO = utils.NoDigestInfo()
_PREHASHED = {code: utils.Prehashed(algorithm) for code, algorithm in HASHES.items()}


def initial_mark(slot: str) -> str:
    """The record that exists as long as a slot's PIN is the initial one."""
    return f"{slot}/initial"


@dataclass(frozen=True, slots=True)
class _PinRecord:
    key: str
    tries: int
    left: int

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()


class SecureElement:
    """PIN slots with try counters, and key slots for RSA and SM2."""

    def __init__(self, storage: Storage, entropy: Entropy) -> None:
        self._storage = storage
        self._entropy = entropy
        self._rsa: dict[str, rsa.RSAPrivateKey] = {}
        self._sm2: dict[str, sm2.PrivateKey] = {}

    # PINs

    def set_pin(
        self, transaction: Transaction, slot: str, new_pin: bytes, tries: int, *, initial: bool
    ) -> None:
        """Set a PIN and give it all its tries; an initial one leaves a mark beside the slot (E3)."""
        transaction.put(slot, _PinRecord(pin.pin_key(new_pin).hex(), tries, tries).encode())
        if initial:
            transaction.put(initial_mark(slot), b"")
        else:
            transaction.delete(initial_mark(slot))

    def tries(self, slot: str) -> tuple[int, int]:
        """Tries at most and tries left."""
        record = self._pin(slot)
        return record.tries, record.left

    def verify_pin(self, slot: str, challenge: bytes, cryptogram: bytes, pin_block: Literal[1, 2]) -> None:
        """Compare a VerifyPIN cryptogram; a right one gives all tries back.

        :raises Refused: 63Cx or 6983.
        """

        def matches(key: bytes) -> bool:
            return hmac.compare_digest(pin.verify_cryptogram(key, challenge, pin_block), cryptogram)

        self._attempt(slot, matches)
        self.restore_tries(slot)

    def check_pin(self, slot: str, typed: bytes) -> None:
        """Compare a PIN that was typed on the key itself; the tries stay counted down, as with `check_mac`.

        :raises Refused: 63Cx or 6983.
        """
        self._attempt(slot, lambda key: hmac.compare_digest(pin.pin_key(typed), key))

    def check_mac(
        self, slot: str, challenge: bytes, header: bytes, data: bytes, mac: bytes, dialect: Dialect
    ) -> None:
        """Check the MAC of a protected command under the slot's PIN.

        The tries stay counted down: whoever accepts the new PIN gives them back in the same transaction.

        :raises Refused: 63Cx or 6983.
        """

        def matches(key: bytes) -> bool:
            return hmac.compare_digest(pin.line_mac(key, challenge, header, data, dialect), mac)

        self._attempt(slot, matches)

    def decipher(self, slot: str, cipher: bytes) -> bytes:
        """A new PIN that was enciphered under the slot's."""
        return sm4.decrypt_blocks(bytes.fromhex(self._pin(slot).key), cipher)

    def restore_tries(self, slot: str) -> None:
        """Give a PIN all its tries back, in a transaction of its own."""
        with self._storage.transaction() as transaction:
            self.put_tries_back(transaction, slot)

    def put_tries_back(self, transaction: Transaction, slot: str) -> None:
        """Give a PIN all its tries back."""
        record = self._pin(slot)
        transaction.put(slot, _PinRecord(record.key, record.tries, record.tries).encode())

    def _pin(self, slot: str) -> _PinRecord:
        return _PinRecord(**json.loads(self._storage.read(slot) or b""))

    def _attempt(self, slot: str, matches: Callable[[bytes], bool]) -> None:
        """One try: counted down durably before the comparison (E4)."""
        record = self._pin(slot)
        if not record.left:
            raise Refused(SW.PIN_LOCKED)
        left = record.left - 1
        with self._storage.transaction() as transaction:
            transaction.put(slot, _PinRecord(record.key, record.tries, left).encode())
        if not matches(bytes.fromhex(record.key)):
            raise Refused(SW.PIN_WRONG | left)

    # Keys

    def generate_rsa(self, transaction: Transaction, slot: str, bits: int) -> RsaPublicKey:
        """A new RSA pair in a slot. OpenSSL draws it from the OS itself."""
        return self._put_rsa(transaction, slot, rsa.generate_private_key(RSA_EXPONENT, bits))

    def generate_sm2(self, transaction: Transaction, slot: str) -> sm2.PublicKey:
        """A new SM2 pair in a slot."""
        key = self.temporary_sm2()
        transaction.put(slot, key.encode())
        return key.public

    def import_rsa(
        self, transaction: Transaction, slot: str, wrapping: str, pair: WrappedRsaPair
    ) -> RsaPublicKey:
        """Put a pair into a slot that came wrapped under another slot's key.

        :raises Refused: 6700 or 6A80.
        """
        key = self.decrypt_rsa(wrapping, pair.wrapped_key)
        if len(key) != pin.BLOCK_LENGTH or len(pair.encrypted) % pin.BLOCK_LENGTH:
            raise Refused(SW.WRONG_DATA)
        return self._put_rsa(transaction, slot, _parsed_rsa(sm4.decrypt_blocks(key, pair.encrypted)))

    def import_sm2(
        self, transaction: Transaction, slot: str, wrapping: str, enveloped: sm2.EnvelopedKey
    ) -> None:
        """Put a pair into a slot that came enveloped for another slot's key.

        :raises Refused: 6A80.
        """
        try:
            transaction.put(slot, sm2.unwrap(enveloped, self._sm2_key(wrapping)).encode())
        except sm2.Sm2Error:
            raise Refused(SW.WRONG_DATA) from None

    def _put_rsa(self, transaction: Transaction, slot: str, key: rsa.RSAPrivateKey) -> RsaPublicKey:
        der = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        transaction.put(slot, der)
        return _rsa_public(key)

    def forget(self) -> None:
        """Drop what was loaded, as power-off and every change of keys do."""
        self._rsa.clear()
        self._sm2.clear()

    def rsa_public(self, slot: str) -> RsaPublicKey:
        """The public half of an RSA slot."""
        return _rsa_public(self._rsa_key(slot))

    def sm2_public(self, slot: str) -> sm2.PublicKey:
        """The public half of an SM2 slot."""
        return self._sm2_key(slot).public

    def sign_rsa(self, slot: str, data: bytes, digest_of: int | None) -> bytes:
        """EMSA-PKCS1-v1_5 (RFC 8017 §8.2.1).

        :param digest_of: the hash that made `data`, whose DigestInfo is added; None pads `data` as given.
        :raises Refused: 6700 when the data do not fit.
        """
        algorithm = _NO_DIGEST_INFO if digest_of is None else _PREHASHED[digest_of]
        try:
            return self._rsa_key(slot).sign(data, _PADDING, algorithm)
        except ValueError:
            raise Refused(SW.WRONG_LENGTH) from None

    def sm2_digest(self, slot: str, message: bytes) -> bytes:
        """e of a message: SM3 over Z with the default ID, and the message."""
        return self._sm2_key(slot).digest(message)

    def sign_sm2(self, slot: str, digest: bytes) -> bytes:
        """Sign a digest e of 32 bytes; r ‖ s."""
        return self.sm2_signer(slot)(digest)

    def sm2_signer(self, slot: str) -> Callable[[bytes], bytes]:
        """What signs one digest e of 32 bytes after the other; r ‖ s.

        A nonce that cannot be used is drawn again (GB/T 32918.2 §6.1).
        """
        sign, draw = self._sm2_key(slot).sign_raw, self._entropy.bytes

        def sign_digest(digest: bytes) -> bytes:
            while (signature := sign(digest, draw(_SM2_SIZE))) is None:
                pass
            return signature

        return sign_digest

    def decrypt_sm2(self, slot: str, cipher: sm2.Ciphertext) -> bytes:
        """Decipher what was enciphered for a slot's key.

        :raises Refused: 6A80.
        """
        try:
            return sm2.decrypt(self._sm2_key(slot), cipher)
        except sm2.Sm2Error:
            raise Refused(SW.WRONG_DATA) from None

    def decrypt_rsa(self, slot: str, block: bytes) -> bytes:
        """Decipher what was enciphered for a slot's key, RSAES-PKCS1-v1_5.

        :raises Refused: 6700 for a block of another length, 6A80.
        """
        return rsa_numbers.decrypt(rsa_numbers.numbers_of(self._rsa_key(slot)), block, self.random)

    def power_rsa(self, slot: str, block: bytes) -> bytes:
        """The bare private operation of a slot's key, on a block as long as its modulus.

        :raises Refused: 6700 for a block of another length, 6A80 for a number that is not below the modulus.
        """
        return rsa_numbers.private_power(rsa_numbers.numbers_of(self._rsa_key(slot)), block, self.random)

    def agree_sm2(
        self,
        slot: str,
        role: sm2.Role,
        own_temporary: sm2.PrivateKey,
        peer: sm2.PublicKey,
        peer_temporary: sm2.PublicKey,
        own_id: bytes,
        peer_id: bytes,
        length: int,
    ) -> bytes:
        """The key of so many bytes that a slot's key agrees on with a peer (GB/T 32918.3 §6.1).

        :raises Refused: 6A80.
        """
        own = self._sm2_key(slot)
        try:
            return sm2.agree(role, own, own_temporary, peer, peer_temporary, own_id, peer_id, length).key
        except sm2.Sm2Error:
            raise Refused(SW.WRONG_DATA) from None

    # Keys of others, and keys that never lie in a slot

    def random(self, size: int) -> bytes:
        """Fresh random bytes."""
        return self._entropy.bytes(size)

    def temporary_sm2(self) -> sm2.PrivateKey:
        """A new SM2 key that lies nowhere yet."""
        return sm2.PrivateKey(self._random_below(sm2.N - 2) + 1)

    def temporary_rsa(self, bits: int) -> RsaPrivateKey:
        """A new RSA pair for the host: no slot holds it. OpenSSL draws it from the OS itself."""
        return rsa_numbers.numbers_of(rsa.generate_private_key(RSA_EXPONENT, bits))

    def encrypt_sm2(self, public: sm2.PublicKey, plain: bytes) -> sm2.Ciphertext:
        """Encipher for somebody else's key.

        :raises Refused: 6A80, nothing to encipher.
        """
        try:
            return self._with_nonce(lambda nonce: sm2.encrypt(public, plain, nonce))
        except sm2.Sm2Error:
            raise Refused(SW.WRONG_DATA) from None

    def encrypt_rsa(self, public: RsaPublicKey, plain: bytes) -> bytes:
        """Encipher for somebody else's key, RSAES-PKCS1-v1_5.

        :raises Refused: 6A80, it does not fit, or the key cannot be one.
        """
        return rsa_numbers.encrypt(public, plain, self.random)

    def sign_with(self, key: sm2.PrivateKey, digest: bytes) -> bytes:
        """r and s over a digest e of 32 bytes, by a key that the host handed over."""
        return self._with_nonce(lambda nonce: key.sign_raw(digest, nonce))

    def power_with(self, key: RsaPrivateKey, block: bytes) -> bytes:
        """The bare private operation of a pair that the host handed over.

        :raises Refused: as `power_rsa`; 6A80 for numbers that are no pair.
        """
        rsa_numbers.check_private(key)
        return rsa_numbers.private_power(key, block, self.random)

    def _with_nonce(self, use: Callable[[bytes], Result | None]) -> Result:
        """What comes of the first nonce that can be used."""
        while True:
            result = use(self._entropy.bytes(sm2.SIZE))
            if result is not None:
                return result

    def _random_below(self, limit: int) -> int:
        """Uniform below the limit, by rejection sampling."""
        while True:
            number = int.from_bytes(self._entropy.bytes(sm2.SIZE))
            if number < limit:
                return number

    def _rsa_key(self, slot: str) -> rsa.RSAPrivateKey:
        key = self._rsa.get(slot)
        if key is None:
            der = self._storage.read(slot) or b""
            loaded = serialization.load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
            key = self._rsa[slot] = loaded  # type: ignore[assignment]  # an RSA slot holds nothing else
        return key  # type: ignore[return-value]

    def _sm2_key(self, slot: str) -> sm2.PrivateKey:
        key = self._sm2.get(slot)
        if key is None:
            key = self._sm2[slot] = sm2.PrivateKey(int.from_bytes(self._storage.read(slot) or b""))
        return key


def _rsa_public(key: rsa.RSAPrivateKey) -> RsaPublicKey:
    numbers = key.public_key().public_numbers()
    return RsaPublicKey(numbers.n, numbers.e)


_LONGEST_DER = 2400
"""Bytes of the longest RSAPrivateKey that we take, 4096 bits, and some; proving longer primes takes many seconds."""
_LONG_SEQUENCE = b"\x30\x82"  # every RSAPrivateKey that we take is longer than 255 bytes
_MAX_EXPONENT = 0xFFFFFFFF


def _parsed_rsa(plain: bytes) -> rsa.RSAPrivateKey:
    """An RSAPrivateKey in DER (RFC 8017 §A.1.2) before zeros.

    :raises Refused: 6A80.
    """
    end = 4 + int.from_bytes(plain[2:4])
    if not plain.startswith(_LONG_SEQUENCE) or end > _LONGEST_DER or any(plain[end:]):
        raise Refused(SW.WRONG_DATA)
    try:
        key = serialization.load_der_private_key(plain[:end], None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Refused(SW.WRONG_DATA) from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size not in RSA_BITS:
        raise Refused(SW.WRONG_DATA)
    if key.public_key().public_numbers().e > _MAX_EXPONENT:
        raise Refused(SW.WRONG_DATA)
    return key
