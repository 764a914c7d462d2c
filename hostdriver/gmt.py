"""A GM/T 0017 session: typed commands over any open transport.

It opens nothing itself and keeps no PIN. A refusal of the key raises the typed error of its status word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Concatenate, ParamSpec, TypeVar

from hostdriver.errors import (
    AnswerError,
    ApduFailedError,
    CodeIncorrectError,
    NewPinRefusedError,
    PinIncorrectError,
    error_for,
)
from hostdriver.transport import Transport
from protocols import pin, sm2
from protocols.apdu import Command, encode_command, parse_response
from protocols.dialect import DEFAULT, Dialect
from protocols.errors import ProtocolError
from protocols.fields import Fields, decode_names, u16, u32
from protocols.gmt import (
    CLA_MAC,
    CLA_PLAIN,
    DEV_AUTH_SM4,
    LONG_PIN_FIELD,
    PIN_FIELD,
    ActivationAction,
    ActivationVerifier,
    ApplicationInfo,
    ContainerInfo,
    ContainerType,
    DeviceInfo,
    HashAlgorithm,
    Ins,
    NewApplication,
    PinInfo,
    PinType,
    RsaPublicKey,
    SignInput,
)
from protocols.i18n import N_
from protocols.sw import SW

_ALL = 0x10000
_MAX_CHAIN = 64
"""Pieces of one long answer that we take before calling the key broken."""
_SIGN = 1

Value = TypeVar("Value")
Rest = ParamSpec("Rest")
PublicKey = RsaPublicKey | sm2.PublicKey


@dataclass(frozen=True, slots=True)
class Container:
    """An open container."""

    application: ApplicationInfo
    name: str
    handle: bytes

    @property
    def handles(self) -> bytes:
        """What its commands begin with."""
        return self.application.handle + self.handle


class GmtSession:
    """GM/T 0017 on the host's side.

    :param transport: open already; closing the session closes it.
    :param dialect: how the key's maker reads the standard.
    """

    def __init__(self, transport: Transport, dialect: Dialect = DEFAULT) -> None:
        self.transport = transport
        self._dialect = dialect

    def __enter__(self) -> GmtSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.transport.close()

    # The wire

    def send(
        self,
        ins: int,
        data: bytes = b"",
        *,
        p1: int = 0,
        p2: int = 0,
        le: int | None = None,
        cla: int = CLA_PLAIN,
    ) -> bytes:
        """One command; the whole answer, however many pieces it comes in (6A9E).

        :raises HostError: the typed error of any other status word.
        """
        apdu = encode_command(Command(cla, ins, p1, p2, data, le))
        answer = b""
        for _ in range(_MAX_CHAIN):
            try:
                piece, sw = parse_response(self.transport.exchange(apdu))
            except ProtocolError as error:
                raise AnswerError(error.message, **error.values) from error
            answer += piece
            if sw == SW.OK:
                return answer
            if sw != SW.MORE_DATA:
                raise error_for(sw)
        raise AnswerError(N_("the key's answer does not end"))

    # Device

    def device_info(self) -> DeviceInfo:
        """GetDevInfo."""
        return _decoded(DeviceInfo.decode, self.send(Ins.GET_DEV_INFO, le=_ALL), self._dialect)

    def set_label(self, label: str) -> None:
        """SetLabel; needs device authentication."""
        self.send(Ins.SET_LABEL, label.encode())

    def random(self, size: int) -> bytes:
        """GenRandom."""
        return self.send(Ins.GEN_RANDOM, le=size)

    def authenticate_device(self, key: bytes) -> None:
        """DevAuth with the device's key of 16 bytes."""
        cryptogram = pin.device_cryptogram(key, self.random(16))
        self.send(Ins.DEV_AUTH, cryptogram, p2=DEV_AUTH_SM4)

    # Applications

    def applications(self) -> list[str]:
        """EnumApplication."""
        return _decoded(decode_names, self.send(Ins.ENUM_APPLICATION, le=_ALL))

    def create_application(self, new: NewApplication) -> None:
        """CreateApplication; needs device authentication."""
        self.send(Ins.CREATE_APPLICATION, new.encode(self._dialect))

    def delete_application(self, name: str) -> None:
        """DeleteApplication; needs device authentication."""
        self.send(Ins.DELETE_APPLICATION, name.encode())

    def open_application(self, name: str) -> ApplicationInfo:
        """OpenApplication."""
        answer = self.send(Ins.OPEN_APPLICATION, name.encode(), le=10)
        return _decoded(ApplicationInfo.decode, answer, self._dialect)

    def close_application(self, application: ApplicationInfo) -> None:
        """CloseApplication."""
        self.send(Ins.CLOSE_APPLICATION, application.handle)

    # PINs

    def pin_info(self, application: ApplicationInfo, pin_type: PinType = PinType.USER) -> PinInfo:
        """GetPINInfo."""
        answer = self.send(Ins.GET_PIN_INFO, application.handle, p2=pin_type, le=3)
        return _decoded(PinInfo.decode, answer)

    def verify_pin(self, application: ApplicationInfo, value: str, pin_type: PinType = PinType.USER) -> None:
        """VerifyPIN.

        :raises PinIncorrectError: with the tries left.
        """
        challenge = self.random(pin.CHALLENGE_LENGTH)
        cryptogram = pin.verify_cryptogram(pin.pin_key(value.encode()), challenge, self._dialect.pin_block)
        self.send(Ins.VERIFY_PIN, application.handle + cryptogram, p2=pin_type)

    def change_pin(
        self, application: ApplicationInfo, old: str, new: str, pin_type: PinType = PinType.USER
    ) -> None:
        """ChangePIN.

        :raises PinIncorrectError: the old one is wrong.
        :raises NewPinRefusedError: the new one breaks the key's rules.
        """
        self._send_new_pin(Ins.CHANGE_PIN, application, old, new, pin_type)

    def unblock_pin(self, application: ApplicationInfo, admin_pin: str, new_user_pin: str) -> None:
        """UnblockPIN: a new user PIN under the administrator's.

        :raises PinIncorrectError: the administrator's is wrong.
        """
        self._send_new_pin(Ins.UNBLOCK_PIN, application, admin_pin, new_user_pin, p2=0)

    def _send_new_pin(self, ins: Ins, application: ApplicationInfo, opener: str, new: str, p2: int) -> None:
        key, new_pin = pin.pin_key(opener.encode()), new.encode()
        width = PIN_FIELD if len(new_pin) <= PIN_FIELD else LONG_PIN_FIELD
        challenge = self.random(pin.CHALLENGE_LENGTH)
        body = application.handle + pin.encrypt_blocks(key, pin.padded_pin(new_pin, width))
        mac = pin.line_mac(key, challenge, bytes((CLA_MAC, ins, 0, p2)), body)
        try:
            self.send(ins, body + mac, p2=p2, cla=CLA_MAC)
        except ApduFailedError as error:
            if error.sw not in (SW.WRONG_DATA, SW.WRONG_LENGTH):
                raise
            raise NewPinRefusedError(error.sw) from None

    def clear_secure_state(self, application: ApplicationInfo) -> None:
        """ClearSecureState."""
        self.send(Ins.CLEAR_SECURE_STATE, application.handle)

    # Containers

    def containers(self, application: ApplicationInfo) -> list[str]:
        """EnumContainer."""
        return _decoded(decode_names, self.send(Ins.ENUM_CONTAINER, application.handle, le=_ALL))

    def create_container(self, application: ApplicationInfo, name: str) -> Container:
        """CreateContainer."""
        handle = self.send(Ins.CREATE_CONTAINER, application.handle + name.encode(), le=2)
        return Container(application, name, handle)

    def open_container(self, application: ApplicationInfo, name: str) -> Container:
        """OpenContainer."""
        handle = self.send(Ins.OPEN_CONTAINER, application.handle + name.encode(), le=2)
        return Container(application, name, handle)

    def close_container(self, container: Container) -> None:
        """CloseContainer."""
        self.send(Ins.CLOSE_CONTAINER, container.handles)

    def delete_container(self, application: ApplicationInfo, name: str) -> None:
        """DeleteContainer."""
        self.send(Ins.DELETE_CONTAINER, application.handle + name.encode())

    def container_info(self, application: ApplicationInfo, name: str) -> ContainerInfo:
        """GetContainerInfo."""
        answer = self.send(Ins.GET_CONTAINER_INFO, application.handle + name.encode(), le=11)
        return _decoded(ContainerInfo.decode, answer, self._dialect)

    def import_certificate(self, container: Container, der: bytes) -> None:
        """ImportCertificate, of the signature pair."""
        fields = bytes((_SIGN,)) + u32(len(der), self._dialect) + der
        self.send(Ins.IMPORT_CERTIFICATE, container.handles + fields)

    def export_certificate(self, container: Container) -> bytes:
        """ExportCertificate, of the signature pair; DER."""
        answer = self.send(Ins.EXPORT_CERTIFICATE, container.handles, p1=_SIGN, le=_ALL)
        return _decoded(lambda raw: Fields(raw, self._dialect).counted(), answer)

    # Keys

    def generate_rsa(self, container: Container, bits: int) -> RsaPublicKey:
        """GenerateRSAKeyPair."""
        data = container.handles + u16(bits, self._dialect)
        answer = self.send(Ins.GENERATE_RSA_KEY_PAIR, data, le=bits // 8 + 4)

        def decode(raw: bytes) -> RsaPublicKey:
            fields = Fields(raw, self._dialect)
            return RsaPublicKey(int.from_bytes(fields.take(bits // 8)), fields.number(4))

        return _decoded(decode, answer)

    def generate_sm2(self, container: Container) -> sm2.PublicKey:
        """GenECCKeyPair."""
        data = container.handles + u32(sm2.BITS, self._dialect)
        return _decoded(sm2.PublicKey.parse, self.send(Ins.GEN_ECC_KEY_PAIR, data, le=64))

    def public_key(self, container: Container) -> PublicKey:
        """ExportPublicKey, of the signature pair."""
        kind = self.container_info(container.application, container.name).type
        answer = self.send(Ins.EXPORT_PUBLIC_KEY, container.handles, p1=_SIGN, le=_ALL)

        def decode(raw: bytes) -> PublicKey:
            fields = Fields(raw, self._dialect)
            if kind == ContainerType.ECC:
                fields.number(4)
                return sm2.PublicKey.parse(fields.rest())
            fields.number(2)
            exponent = fields.number(4)
            return RsaPublicKey(int.from_bytes(fields.rest()), exponent)

        return _decoded(decode, answer)

    # Signatures

    def sign_rsa(
        self, container: Container, data: bytes, source: SignInput, hash_code: int = HashAlgorithm.SHA256
    ) -> bytes:
        """RSASignData: PKCS#1 v1.5, over a message that the key hashes or over a ready digest."""
        return self.send(Ins.RSA_SIGN_DATA, container.handles + data, p1=source, p2=hash_code, le=_ALL)

    def sign_sm2(self, container: Container, data: bytes, source: SignInput) -> sm2.Signature:
        """ECCSignData: over a message (hashed with Z of the default ID) or over a ready digest e."""
        answer = self.send(Ins.ECC_SIGN_DATA, container.handles + data, p1=source, le=4 + 2 * sm2.SIZE)
        return _decoded(lambda raw: sm2.Signature.parse(raw[4:]), answer)

    # Activation

    def activation_status(self, container: Container) -> tuple[bool, int]:
        """Whether the container is activated, and the tries left for its code."""
        answer = self._activation(ActivationAction.STATUS, container)
        return _decoded(lambda raw: (bool(Fields(raw).number(1)), Fields(raw[1:]).number(1)), answer)

    def activate_on_keypad(self, container: Container) -> None:
        """Have the code typed on the key; blocks until it is.

        :raises CodeIncorrectError: with the tries left.
        """
        self._activation(ActivationAction.KEYPAD, container)

    def activate(self, container: Container, code: str) -> None:
        """Hand the code over from the host.

        :raises CodeIncorrectError: with the tries left.
        """
        self._activation(ActivationAction.SUBMIT, container, code.encode())

    def install_activation(self, container: Container, verifier: ActivationVerifier) -> None:
        """Install a code's verifier; needs device authentication."""
        self._activation(ActivationAction.INSTALL, container, verifier.encode())

    def _activation(self, action: ActivationAction, container: Container, data: bytes = b"") -> bytes:
        le = 2 if action is ActivationAction.STATUS else None
        try:
            return self.send(self._dialect.activation_ins, container.handles + data, p1=action, le=le)
        except PinIncorrectError as error:
            raise CodeIncorrectError(error.left) from None


def _decoded(
    decode: Callable[Concatenate[bytes, Rest], Value], raw: bytes, *rest: Rest.args, **named: Rest.kwargs
) -> Value:
    """An answer through its decoder; a layout error is the key's fault here."""
    try:
        return decode(raw, *rest, **named)
    except ProtocolError as error:
        raise AnswerError(error.message, **error.values) from error
