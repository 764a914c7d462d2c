"""Encryption, decryption and MACs under session keys, GM/T 0017 §9.6: one call each for data of any length."""

from __future__ import annotations

from hostdriver.errors import Exit, HostError
from hostdriver.gmt.session_keys import SessionKey
from hostdriver.gmt.streams import Series, StreamCommands
from protocols.gmt import Ins, Mode, Padding
from protocols.gmt.session_keys import CipherStart
from protocols.i18n import N_

_ENCRYPTION = Series(Ins.ENCRYPT_INIT, Ins.ENCRYPT, Ins.ENCRYPT_UPDATE, Ins.ENCRYPT_FINAL, answers=True)
_DECRYPTION = Series(Ins.DECRYPT_INIT, Ins.DECRYPT, Ins.DECRYPT_UPDATE, Ins.DECRYPT_FINAL, answers=True)
_MAC = Series(Ins.MAC_INIT, Ins.MAC, Ins.MAC_UPDATE, Ins.MAC_FINAL, answers=False)


class ModeFixedError(HostError):
    """Keys of this dialect decipher in no other mode than the session key's own."""

    exit_code = Exit.NOT_UNDERSTOOD

    def __init__(self, dialect: str, mode: Mode) -> None:
        super().__init__(
            N_("keys of dialect {dialect} decipher with this session key in mode {mode} only"),
            dialect=dialect, mode=mode.name,
        )  # fmt: skip


class CipherCommands(StreamCommands):
    """What session keys are for."""

    def encrypt(
        self,
        key: SessionKey,
        data: bytes,
        *,
        mode: Mode | None = None,
        iv: bytes = b"",
        padding: Padding = Padding.NONE,
        feed_bits: int = 0,
    ) -> bytes:
        """EncryptInit and what follows.

        :param mode: of the key's cipher; None: the one that the key came with.
        :param iv: 16 bytes for CBC, CFB and OFB.
        :param feed_bits: of CFB and OFB; 0: the whole block.
        """
        algorithm = key.algorithm._replace(mode=mode or key.algorithm.mode)
        start = CipherStart(algorithm.code, iv, padding, feed_bits)
        return self.work(_ENCRYPTION, data, start.encode(self.dialect), key.handles)

    def decrypt(
        self,
        key: SessionKey,
        data: bytes,
        *,
        mode: Mode | None = None,
        iv: bytes = b"",
        padding: Padding = Padding.NONE,
        feed_bits: int = 0,
    ) -> bytes:
        """DecryptInit and what follows; parameters as for `encrypt`.

        :raises ModeFixedError: another mode than the key's, where the dialect's DecryptInit names none.
        """
        algorithm = key.algorithm._replace(mode=mode or key.algorithm.mode)
        named = self.dialect.decrypt_init_algorithm
        if not named and algorithm != key.algorithm:
            raise ModeFixedError(self.dialect.name, key.algorithm.mode)
        start = CipherStart(algorithm.code if named else None, iv, padding, feed_bits)
        return self.work(_DECRYPTION, data, start.encode(self.dialect), key.handles)

    def mac(self, key: SessionKey, data: bytes, *, iv: bytes, padding: Padding = Padding.NONE) -> bytes:
        """MACInit and what follows: the last block of CBC, 16 bytes."""
        algorithm = key.algorithm._replace(mode=Mode.MAC)
        start = CipherStart(algorithm.code, iv, padding)
        return self.work(_MAC, data, start.encode(self.dialect), key.handles)
