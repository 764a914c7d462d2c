"""Session keys of GM/T 0017 §9.6. The key keeps them until they are destroyed, their container goes or it is reset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import overload

from hostdriver.gmt.containers import Container
from hostdriver.gmt.wire import ALL, Wire, decoded
from protocols import sm2
from protocols.dialect import Dialect
from protocols.fields import Fields, u32
from protocols.gmt import Ins, RsaPublicKey, SymmetricAlgorithm
from protocols.gmt.ecc import ExportedKey, encode_counted_cipher, encode_point, take_counted_cipher
from protocols.gmt.session_keys import DEVICE_PLACE, KEY_ID_SIZE, PlainKey, WrappedKey


@dataclass(frozen=True, slots=True)
class SessionKey:
    """A symmetric key on the key, known here by its KeyID only.

    :param container: whose it is; None: the device's own.
    """

    container: Container | None
    key_id: bytes
    algorithm: SymmetricAlgorithm

    @property
    def handles(self) -> bytes:
        """What its commands begin with."""
        return _place(self.container) + self.key_id


def _place(container: Container | None) -> bytes:
    return container.handles if container else DEVICE_PLACE


class SessionKeyCommands(Wire):
    """Session keys: made, wrapped for others, taken in, destroyed."""

    def set_symmetric_key(
        self, algorithm: SymmetricAlgorithm, key: bytes, container: Container | None = None
    ) -> SessionKey:
        """SetSymmKey: a key in clear, for a container or for the device itself."""
        plain = PlainKey(algorithm.code, key).encode(self.dialect)
        key_id = self.send(Ins.SET_SYMM_KEY, _place(container) + plain, le=KEY_ID_SIZE)
        return SessionKey(container, key_id, algorithm)

    @overload
    def export_new_session_key(
        self, container: Container, algorithm: SymmetricAlgorithm, to: RsaPublicKey
    ) -> tuple[SessionKey, bytes]: ...

    @overload
    def export_new_session_key(
        self, container: Container, algorithm: SymmetricAlgorithm, to: sm2.PublicKey
    ) -> tuple[SessionKey, sm2.Ciphertext]: ...

    def export_new_session_key(
        self, container: Container, algorithm: SymmetricAlgorithm, to: RsaPublicKey | sm2.PublicKey
    ) -> tuple[SessionKey, bytes | sm2.Ciphertext]:
        """RSAExportSessionKey, ECCExportSessionKey: a new key; needs the user PIN.

        :returns: the key, and the same wrapped for `to`: PKCS#1 v1.5 or an SM2 ciphertext.
        """
        code = u32(algorithm.code, self.dialect)
        if isinstance(to, RsaPublicKey):
            data = container.handles + code + to.encode(self.dialect)
            answer = self.send(Ins.RSA_EXPORT_SESSION_KEY, data, le=ALL)
            key_id, block = decoded(_key_id_and_block, answer, self.dialect)
            return SessionKey(container, key_id, algorithm), block
        data = container.handles + encode_point(to, self.dialect) + code
        answer = self.send(Ins.ECC_EXPORT_SESSION_KEY, data, le=ALL)
        exported = decoded(ExportedKey.decode, answer, self.dialect)
        return SessionKey(container, exported.key_id, algorithm), exported.cipher

    @overload
    def export_held_session_key(self, key: SessionKey, to: RsaPublicKey) -> bytes: ...

    @overload
    def export_held_session_key(self, key: SessionKey, to: sm2.PublicKey) -> sm2.Ciphertext: ...

    def export_held_session_key(
        self, key: SessionKey, to: RsaPublicKey | sm2.PublicKey
    ) -> bytes | sm2.Ciphertext:
        """A key that is there already, wrapped for `to`; needs the user PIN. Few makers have the command.

        :raises NoSuchCommandError: keys of this dialect have not.
        """
        if isinstance(to, RsaPublicKey):
            return self.send(Ins.RSA_EXPORT_HELD_KEY, key.handles + to.encode(self.dialect), le=ALL)
        data = key.handles + encode_point(to, self.dialect)
        return decoded(_cipher, self.send(Ins.ECC_EXPORT_HELD_KEY, data, le=ALL), self.dialect)

    def import_session_key(
        self, container: Container, algorithm: SymmetricAlgorithm, wrapped: bytes | sm2.Ciphertext
    ) -> SessionKey:
        """ImportSessionKey: a key that was wrapped for the container's encryption pair; needs the user PIN."""
        if isinstance(wrapped, sm2.Ciphertext):
            wrapped = encode_counted_cipher(wrapped, self.dialect)
        data = container.handles + WrappedKey(algorithm.code, wrapped).encode(self.dialect)
        key_id = self.send(Ins.IMPORT_SESSION_KEY, data, le=KEY_ID_SIZE)
        return SessionKey(container, key_id, algorithm)

    def destroy_session_key(self, key: SessionKey) -> None:
        """DestroySessionKey."""
        self.send(Ins.DESTROY_SESSION_KEY, key.handles)


def _key_id_and_block(raw: bytes, dialect: Dialect) -> tuple[bytes, bytes]:
    fields = Fields(raw, dialect)
    return fields.take(KEY_ID_SIZE), fields.rest()


def _cipher(raw: bytes, dialect: Dialect) -> sm2.Ciphertext:
    fields = Fields(raw, dialect)
    cipher = take_counted_cipher(fields)
    fields.end()
    return cipher
