"""Containers of GM/T 0016 §7.5, their key pairs and certificates, and what their keys do (§7.6)."""

from __future__ import annotations

from ctypes import byref, create_string_buffer

from hostdriver.errors import CodeIncorrectError, MessageRefusedError, PinIncorrectError
from hostdriver.outcomes import Sar
from hostdriver.skf import layouts
from hostdriver.skf.errors import SkfFailedError
from hostdriver.skf.functions import Bool, Handle, ULong
from hostdriver.skf.library import Library, text
from hostdriver.skf.session_key import Agreement, SessionKey
from protocols import sm2
from protocols.gmt import (
    ContainerType,
    HashAlgorithm,
    KeyUse,
    RsaPublicKey,
    SymmetricAlgorithm,
    WrappedRsaPair,
)
from protocols.gmt.ecc import AgreementKeys
from protocols.sw import SW

PublicKey = RsaPublicKey | sm2.PublicKey
_RSA_MOST = 512
"""Bytes of the longest RSA signature that we make room for."""
_KEY_SLACK = 32
"""Bytes of the longest session key that a cipher may wrap."""


class Container:
    """An open container."""

    def __init__(self, library: Library, handle: Handle, name: str) -> None:
        self.library = library
        self.handle = handle
        self.name = name

    def close(self) -> None:
        """CloseContainer."""
        self.library.call("SKF_CloseContainer", self.handle)

    def type(self) -> int:
        """GetContainerType: a `ContainerType`, or another maker's number."""
        return self.library.number("SKF_GetContainerType", self.handle)

    def import_certificate(self, der: bytes, use: KeyUse = KeyUse.SIGN) -> None:
        """ImportCertificate."""
        self.library.call("SKF_ImportCertificate", self.handle, use, der, len(der))

    def export_certificate(self, use: KeyUse = KeyUse.SIGN) -> bytes:
        """ExportCertificate; DER."""
        return self.library.asked("SKF_ExportCertificate", self.handle, use)

    # Key pairs

    def public_key(self, use: KeyUse = KeyUse.SIGN) -> PublicKey:
        """ExportPublicKey; shows where numbers stand in the library's fields."""
        raw = self.library.asked("SKF_ExportPublicKey", self.handle, use)
        if len(raw) >= layouts.RSA_PUBLIC_SIZE:
            return layouts.decode_rsa(raw)
        raw = raw.ljust(layouts.ECC_PUBLIC_SIZE, b"\0")
        return self._point(raw)

    def _point(self, raw: bytes) -> sm2.PublicKey:
        self.library.see(alignment=layouts.alignment_seen(raw))
        return layouts.decode_point(raw)

    def generate_rsa(self, bits: int) -> RsaPublicKey:
        """GenRSAKeyPair, the signature pair."""
        raw = self.library.blob("SKF_GenRSAKeyPair", self.handle, bits, size=layouts.RSA_PUBLIC_SIZE)
        return layouts.decode_rsa(raw)

    def generate_sm2(self) -> sm2.PublicKey:
        """GenECCKeyPair, the signature pair."""
        algorithm, size = self.library.habits.sm2_sign, layouts.ECC_PUBLIC_SIZE
        return self._point(self.library.blob("SKF_GenECCKeyPair", self.handle, algorithm, size=size))

    def import_rsa_key_pair(self, pair: WrappedRsaPair) -> None:
        """ImportRSAKeyPair, the encryption pair."""
        wrapped, encrypted = pair.wrapped_key, pair.encrypted
        self.library.call(
            "SKF_ImportRSAKeyPair",
            self.handle, pair.algorithm, wrapped, len(wrapped), encrypted, len(encrypted),
        )  # fmt: skip

    def import_sm2_key_pair(self, enveloped: sm2.EnvelopedKey) -> None:
        """ImportECCKeyPair, the encryption pair."""
        blob = layouts.encode_envelope(enveloped, self.library.habits)
        self.library.call("SKF_ImportECCKeyPair", self.handle, blob)

    # Signatures

    def sign_rsa(self, data: bytes) -> bytes:
        """RSASignData.

        :param data: what `Habits.rsa_input` says: the DigestInfo, or the bare digest.
        """
        return self.library.filled("SKF_RSASignData", self.handle, data, len(data), room=_RSA_MOST)

    def sign_sm2(self, digest: bytes) -> bytes:
        """ECCSignData over the digest e: r ‖ s."""
        size = layouts.ECC_SIGNATURE_SIZE
        raw = self.library.blob("SKF_ECCSignData", self.handle, digest, len(digest), size=size)
        return layouts.decode_signature(raw)

    def sign_message(self, kind: ContainerType, message: bytes, hash_code: HashAlgorithm) -> bytes:
        """V_SignMessage, vukey's own: the key shows the message and hashes it. Answers as `sign_rsa` or `sign_sm2`.

        :raises MessageRefusedError: the key cannot show it.
        """
        try:
            raw = self.library.filled(
                "V_SignMessage", self.handle, hash_code, message, len(message), room=_RSA_MOST
            )
        except SkfFailedError as error:
            if error.code != Sar.INDATAERR:
                raise
            raise MessageRefusedError(SW.MESSAGE_REFUSED) from None
        return layouts.decode_signature(raw) if kind is ContainerType.ECC else raw

    # Session keys

    def export_new_session_key(
        self, algorithm: SymmetricAlgorithm, to: PublicKey
    ) -> tuple[SessionKey, bytes | sm2.Ciphertext]:
        """RSAExportSessionKey, ECCExportSessionKey: a new key, and the same wrapped for `to`."""
        habits, handle = self.library.habits, Handle()
        if isinstance(to, RsaPublicKey):
            blob, buffer, told = (
                layouts.encode_rsa(to, habits),
                create_string_buffer(_RSA_MOST),
                ULong(_RSA_MOST),
            )
            self.library.call(
                "SKF_RSAExportSessionKey",
                self.handle, algorithm.code, blob, buffer, byref(told), byref(handle),
            )  # fmt: skip
            return SessionKey(self.library, handle), buffer.raw[: min(told.value, _RSA_MOST)]
        point, room = layouts.encode_point(to, habits), create_string_buffer(layouts.CIPHER_HEAD + _KEY_SLACK)
        self.library.call("SKF_ECCExportSessionKey", self.handle, algorithm.code, point, room, byref(handle))
        return SessionKey(self.library, handle), layouts.decode_cipher(room.raw)

    def import_session_key(
        self, algorithm: SymmetricAlgorithm, wrapped: bytes | sm2.Ciphertext
    ) -> SessionKey:
        """ImportSessionKey: a key that was wrapped for the container's encryption pair."""
        if isinstance(wrapped, sm2.Ciphertext):
            wrapped = layouts.encode_cipher(wrapped, self.library.habits)
        handle = self.library.handle(
            "SKF_ImportSessionKey", self.handle, algorithm.code, wrapped, len(wrapped)
        )
        return SessionKey(self.library, handle)

    # Key agreement

    def start_agreement(self, algorithm: SymmetricAlgorithm, sponsor_id: bytes = sm2.DEFAULT_ID) -> Agreement:
        """GenerateAgreementDataWithECC, as sponsor."""
        temporary, handle = create_string_buffer(layouts.ECC_PUBLIC_SIZE), Handle()
        self.library.call(
            "SKF_GenerateAgreementDataWithECC",
            self.handle, algorithm.code, temporary, sponsor_id, len(sponsor_id), byref(handle),
        )  # fmt: skip
        return Agreement(self.library, handle, layouts.decode_point(temporary.raw))

    def answer_agreement(
        self,
        algorithm: SymmetricAlgorithm,
        sponsor: AgreementKeys,
        sponsor_id: bytes = sm2.DEFAULT_ID,
        responder_id: bytes = sm2.DEFAULT_ID,
    ) -> tuple[sm2.PublicKey, SessionKey]:
        """GenerateAgreementDataAndKeyWithECC, as responder: its temporary public key, and the agreed key."""
        fixed, passing = (layouts.encode_point(key, self.library.habits) for key in sponsor)
        temporary, handle = create_string_buffer(layouts.ECC_PUBLIC_SIZE), Handle()
        self.library.call(
            "SKF_GenerateAgreementDataAndKeyWithECC",
            self.handle, algorithm.code, fixed, passing, temporary,
            responder_id, len(responder_id), sponsor_id, len(sponsor_id), byref(handle),
        )  # fmt: skip
        return layouts.decode_point(temporary.raw), SessionKey(self.library, handle)

    # Activation, vukey's own

    def activation(self) -> tuple[bool, int]:
        """V_GetActivation: whether it is activated, and the tries left."""
        activated, left = Bool(), ULong()
        self.library.call("V_GetActivation", self.handle, byref(activated), byref(left))
        return bool(activated.value), left.value

    def activate(self, code: str | None) -> None:
        """V_Activate.

        :param code: None: it is typed on the key.
        :raises CodeIncorrectError: with the tries left.
        """
        left = ULong()
        given = None if code is None else text(code)
        try:
            self.library.call("V_Activate", self.handle, given, byref(left), tries=left)
        except PinIncorrectError:
            raise CodeIncorrectError(left.value) from None
