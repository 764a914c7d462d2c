"""The secure element: PINs and private keys by slot. What it holds never crosses it.

A PIN lies here as its key (docs/facts.md G7), because that is what the protocol compares with; keys lie as DER or
raw integers. All of them are test keys: a file is no smart-card chip.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from emulator.firmware.refused import Refused
from emulator.hardware.entropy import Entropy
from emulator.hardware.storage import Storage, Transaction
from protocols import pin, sm2
from protocols.gmt import RSA_EXPONENT, RsaPublicKey
from protocols.hashing import HASHES
from protocols.sw import SW

_PADDING = padding.PKCS1v15()
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

    def open_protected(self, slot: str, challenge: bytes, header: bytes, data: bytes, cipher: bytes) -> bytes:
        """Check the MAC at the end of `data` under the slot's PIN and decipher `cipher`, the new PIN in it.

        The tries stay counted down: whoever accepts the new PIN gives them back in the same transaction.

        :raises Refused: 63Cx or 6983.
        """
        body, mac = data[: -pin.MAC_LENGTH], data[-pin.MAC_LENGTH :]
        found = b""

        def matches(key: bytes) -> bool:
            nonlocal found
            found = key
            return hmac.compare_digest(pin.line_mac(key, challenge, header, body), mac)

        self._attempt(slot, matches)
        return pin.decrypt_blocks(found, cipher)

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

    def generate_rsa(self, bits: int) -> tuple[bytes, RsaPublicKey]:
        """A new RSA pair: what `put_key` stores, and the public key. OpenSSL draws it from the OS itself."""
        key = rsa.generate_private_key(RSA_EXPONENT, bits)
        numbers = key.public_key().public_numbers()
        der = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return der, RsaPublicKey(numbers.n, numbers.e)

    def generate_sm2(self) -> tuple[bytes, sm2.PublicKey]:
        """A new SM2 pair: what `put_key` stores, and the public key."""
        key = sm2.PrivateKey(self._random_below(sm2.N - 2) + 1)
        return key.encode(), key.public

    def put_key(self, transaction: Transaction, slot: str, private: bytes) -> None:
        """Store a pair made by one of the generators."""
        transaction.put(slot, private)

    def forget(self) -> None:
        """Drop what was loaded, as power-off and every change of keys do."""
        self._rsa.clear()
        self._sm2.clear()

    def rsa_public(self, slot: str) -> RsaPublicKey:
        """The public half of an RSA slot."""
        numbers = self._rsa_key(slot).public_key().public_numbers()
        return RsaPublicKey(numbers.n, numbers.e)

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

    def sign_sm2(self, slot: str, digest: bytes) -> sm2.Signature:
        """Sign a digest e of 32 bytes with a fresh nonce."""
        key = self._sm2_key(slot)
        while True:
            signature = key.sign(digest, self._random_below(sm2.N - 1) + 1)
            if signature is not None:
                return signature

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
