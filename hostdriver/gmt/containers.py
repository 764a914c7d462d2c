"""Containers of GM/T 0017 §9.5, their key pairs and certificates."""

from __future__ import annotations

from dataclasses import dataclass

from hostdriver.gmt.wire import ALL, Wire, decoded
from protocols import sm2
from protocols.fields import Fields, counted, decode_names, u16, u32
from protocols.gmt import (
    RSA_OPERATION_P1,
    ApplicationInfo,
    ContainerInfo,
    ContainerType,
    Ins,
    KeyUse,
    RsaKeyOperation,
    RsaPublicKey,
    WrappedRsaPair,
)
from protocols.gmt.ecc import encode_envelope, take_point

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


class ContainerCommands(Wire):
    """Containers and what is in them."""

    def containers(self, application: ApplicationInfo) -> list[str]:
        """EnumContainer."""
        return decoded(decode_names, self.send(Ins.ENUM_CONTAINER, application.handle, le=ALL))

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
        return decoded(ContainerInfo.decode, answer, self.dialect)

    def import_certificate(self, container: Container, der: bytes, *, use: KeyUse = KeyUse.SIGN) -> None:
        """ImportCertificate, of a pair that is there."""
        fields = bytes((use,)) + counted(der, self.dialect)
        self.send(Ins.IMPORT_CERTIFICATE, container.handles + fields)

    def export_certificate(self, container: Container, *, use: KeyUse = KeyUse.SIGN) -> bytes:
        """ExportCertificate; DER."""
        answer = self.send(Ins.EXPORT_CERTIFICATE, container.handles, p1=use, le=ALL)
        return decoded(lambda raw: Fields(raw, self.dialect).counted(), answer)

    # Key pairs

    def generate_rsa(self, container: Container, bits: int) -> RsaPublicKey:
        """GenerateRSAKeyPair, the signature pair."""
        data, p1 = container.handles + u16(bits, self.dialect), self.dialect.generate_rsa_p1
        answer = self.send(Ins.GENERATE_RSA_KEY_PAIR, data, p1=p1, le=bits // 8 + 4)

        def decode(raw: bytes) -> RsaPublicKey:
            fields = Fields(raw, self.dialect)
            return RsaPublicKey(int.from_bytes(fields.take(bits // 8)), fields.number(4))

        return decoded(decode, answer)

    def generate_sm2(self, container: Container) -> sm2.PublicKey:
        """GenECCKeyPair, the signature pair."""
        data = container.handles + u32(sm2.BITS, self.dialect)
        return decoded(sm2.PublicKey.parse, self.send(Ins.GEN_ECC_KEY_PAIR, data, le=64))

    def import_rsa_key_pair(self, container: Container, pair: WrappedRsaPair) -> None:
        """ImportRSAKeyPair, the encryption pair."""
        self.send(Ins.IMPORT_RSA_KEY_PAIR, container.handles + pair.encode(self.dialect))

    def import_sm2_key_pair(self, container: Container, enveloped: sm2.EnvelopedKey) -> None:
        """ImportECCKeyPair, the encryption pair."""
        self.send(Ins.IMPORT_ECC_KEY_PAIR, container.handles + encode_envelope(enveloped, self.dialect))

    def public_key(self, container: Container, *, use: KeyUse = KeyUse.SIGN) -> PublicKey:
        """ExportPublicKey."""
        kind = self.container_info(container.application, container.name).type
        answer = self.send(Ins.EXPORT_PUBLIC_KEY, container.handles, p1=use, le=ALL)
        if kind == ContainerType.ECC:
            return decoded(lambda raw: take_point(Fields(raw, self.dialect)), answer)
        return decoded(RsaPublicKey.decode_exported, answer, self.dialect)

    def rsa_operation(
        self,
        container: Container,
        block: bytes,
        operation: RsaKeyOperation,
        *,
        use: KeyUse = KeyUse.EXCHANGE,
    ) -> bytes:
        """Bare RSA with one of the container's pairs, on a block as long as the modulus.

        :raises NoSuchCommandError: this maker's keys have none.
        """
        data, p1 = container.handles + block, RSA_OPERATION_P1[use]
        return self.send(Ins.RSA_KEY_OPERATION, data, p1=p1, p2=operation, le=ALL)
