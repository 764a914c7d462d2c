"""Devices of GM/T 0016 §7.1 and §7.2, and what a device does by itself (§7.6)."""

from __future__ import annotations

from ctypes import create_string_buffer

from hostdriver.skf import layouts
from hostdriver.skf.application import Application
from hostdriver.skf.errors import SignatureCheck
from hostdriver.skf.functions import Handle
from hostdriver.skf.habits import sm2_sign_seen
from hostdriver.skf.layouts import DeviceInfo
from hostdriver.skf.library import Library, text
from hostdriver.skf.session_key import Digest, SessionKey
from protocols import pin, sm2
from protocols.gmt import HashAlgorithm, NewApplication, RsaPrivateKey, RsaPublicKey, SymmetricAlgorithm

FOREVER = 0xFFFFFFFF
"""Of `Device.lock`, milliseconds."""
_SLACK = 64


def device_names(library: Library, *, present: bool = True) -> list[str]:
    """EnumDev.

    :param present: only those that are plugged in now.
    """
    return layouts.names_of(library.asked("SKF_EnumDev", present))


def device_state(library: Library, name: str) -> int:
    """GetDevState: 0 absent, 1 present, 2 unknown."""
    return library.number("SKF_GetDevState", text(name))


def connect(library: Library, name: str) -> Device:
    """ConnectDev."""
    return Device(library, library.handle("SKF_ConnectDev", text(name)), name)


class Device:
    """A connected device."""

    def __init__(self, library: Library, handle: Handle, name: str) -> None:
        self.library = library
        self.handle = handle
        self.name = name

    def disconnect(self) -> None:
        """DisConnectDev."""
        self.library.call("SKF_DisConnectDev", self.handle)

    def info(self) -> DeviceInfo:
        """GetDevInfo."""
        raw = self.library.blob("SKF_GetDevInfo", self.handle, size=layouts.DEVICE_INFO_SIZE)
        info = DeviceInfo.decode(raw)
        self.library.see(sm2_sign=sm2_sign_seen(info.asymmetric))
        return info

    def set_label(self, label: str) -> None:
        """SetLabel; needs device authentication."""
        self.library.call("SKF_SetLabel", self.handle, text(label))

    def lock(self, timeout_ms: int = FOREVER) -> None:
        """LockDev: other programs wait."""
        self.library.call("SKF_LockDev", self.handle, timeout_ms)

    def unlock(self) -> None:
        """UnlockDev."""
        self.library.call("SKF_UnlockDev", self.handle)

    def transmit(self, apdu: bytes, room: int = 0x10000 + 2) -> bytes:
        """Transmit: one command APDU, its response APDU."""
        return self.library.filled("SKF_Transmit", self.handle, apdu, len(apdu), room=room)

    def authenticate(self, key: bytes) -> None:
        """DevAuth, with the device's key of 16 bytes, under a challenge of GenRandom's."""
        data = pin.device_cryptogram(key, self.random(pin.CHALLENGE_LENGTH))
        self.library.call("SKF_DevAuth", self.handle, data, len(data))

    def change_key(self, new: bytes) -> None:
        """ChangeDevAuthKey, after `authenticate`."""
        self.library.call("SKF_ChangeDevAuthKey", self.handle, new, len(new))

    # Applications, §7.3

    def create_application(self, new: NewApplication) -> Application:
        """CreateApplication; needs device authentication. The limits of `new` are the library's own."""
        handle = self.library.handle(
            "SKF_CreateApplication", self.handle, text(new.name), new.admin_pin, new.admin_tries,
            new.user_pin, new.user_tries, new.create_file_rights,
        )  # fmt: skip
        return Application(self.library, handle, new.name)

    def applications(self) -> list[str]:
        """EnumApplication."""
        return layouts.names_of(self.library.asked("SKF_EnumApplication", self.handle))

    def delete_application(self, name: str) -> None:
        """DeleteApplication; needs device authentication."""
        self.library.call("SKF_DeleteApplication", self.handle, text(name))

    def open_application(self, name: str) -> Application:
        """OpenApplication."""
        handle = self.library.handle("SKF_OpenApplication", self.handle, text(name))
        return Application(self.library, handle, name)

    # Without a container, §7.6

    def random(self, size: int) -> bytes:
        """GenRandom."""
        buffer = create_string_buffer(size)
        self.library.call("SKF_GenRandom", self.handle, buffer, size)
        return buffer.raw

    def set_symmetric_key(self, algorithm: SymmetricAlgorithm, key: bytes) -> SessionKey:
        """SetSymmKey: a key in clear."""
        handle = self.library.handle("SKF_SetSymmKey", self.handle, key, algorithm.code)
        return SessionKey(self.library, handle)

    def begin_digest(
        self, algorithm: HashAlgorithm, signer: sm2.PublicKey | None = None, signer_id: bytes = sm2.DEFAULT_ID
    ) -> Digest:
        """DigestInit.

        :param signer: for SM3 with Z of this key and ID.
        """
        public = layouts.encode_point(signer, self.library.habits) if signer else None
        named = (signer_id, len(signer_id)) if signer else (None, 0)
        handle = self.library.handle("SKF_DigestInit", self.handle, algorithm, public, *named)
        return Digest(self.library, handle)

    def generate_external_rsa(self, bits: int) -> RsaPrivateKey:
        """GenExtRSAKey: a pair that leaves the device."""
        raw = self.library.blob("SKF_GenExtRSAKey", self.handle, bits, size=layouts.RSA_PRIVATE_SIZE)
        return layouts.decode_rsa_private(raw)

    def external_rsa_public(self, key: RsaPublicKey, block: bytes) -> bytes:
        """ExtRSAPubKeyOperation, on a block as long as the modulus."""
        blob = layouts.encode_rsa(key, self.library.habits)
        return self._operation("SKF_ExtRSAPubKeyOperation", blob, block)

    def external_rsa_private(self, key: RsaPrivateKey, block: bytes) -> bytes:
        """ExtRSAPriKeyOperation, on a block as long as the modulus."""
        blob = layouts.encode_rsa_private(key, self.library.habits)
        return self._operation("SKF_ExtRSAPriKeyOperation", blob, block)

    def _operation(self, function: str, blob: bytes, block: bytes) -> bytes:
        return self.library.filled(function, self.handle, blob, block, len(block), room=layouts.RSA_FIELD)

    def verify_rsa(self, key: RsaPublicKey, data: bytes, signature: bytes) -> bool:
        """RSAVerify.

        :param data: what `Container.sign_rsa` took.
        """
        blob = layouts.encode_rsa(key, self.library.habits)
        with SignatureCheck() as check:
            self.library.call("SKF_RSAVerify", self.handle, blob, data, len(data), signature, len(signature))
        return check.fits

    def verify_sm2(self, key: sm2.PublicKey, digest: bytes, signature: sm2.Signature) -> bool:
        """ECCVerify, over the digest e."""
        return self._verify("SKF_ECCVerify", key, digest, signature)

    def external_sm2_verify(self, key: sm2.PublicKey, digest: bytes, signature: sm2.Signature) -> bool:
        """ExtECCVerify, over the digest e."""
        return self._verify("SKF_ExtECCVerify", key, digest, signature)

    def _verify(self, function: str, key: sm2.PublicKey, digest: bytes, signature: sm2.Signature) -> bool:
        habits = self.library.habits
        point, blob = layouts.encode_point(key, habits), layouts.encode_signature(signature, habits)
        with SignatureCheck() as check:
            self.library.call(function, self.handle, point, digest, len(digest), blob)
        return check.fits

    def external_sm2_encrypt(self, key: sm2.PublicKey, plain: bytes) -> sm2.Ciphertext:
        """ExtECCEncrypt."""
        point = layouts.encode_point(key, self.library.habits)
        size = layouts.CIPHER_HEAD + len(plain)
        raw = self.library.blob("SKF_ExtECCEncrypt", self.handle, point, plain, len(plain), size=size)
        return layouts.decode_cipher(raw)

    def external_sm2_decrypt(self, key: sm2.PrivateKey, cipher: sm2.Ciphertext) -> bytes:
        """ExtECCDecrypt."""
        habits = self.library.habits
        private, blob = layouts.encode_private(key, habits), layouts.encode_cipher(cipher, habits)
        room = len(cipher.data) + _SLACK
        return self.library.filled("SKF_ExtECCDecrypt", self.handle, private, blob, room=room)

    def external_sm2_sign(self, key: sm2.PrivateKey, digest: bytes) -> bytes:
        """ExtECCSign, over the digest e: r ‖ s."""
        private = layouts.encode_private(key, self.library.habits)
        size = layouts.ECC_SIGNATURE_SIZE
        raw = self.library.blob("SKF_ExtECCSign", self.handle, private, digest, len(digest), size=size)
        return layouts.decode_signature(raw)
