"""What a token holds under one CKA_ID: a key pair and its certificate are what the other ways call a container."""

from __future__ import annotations

from typing import NamedTuple

from asn1crypto import x509

from hostdriver import certificates, token
from hostdriver.errors import AnswerError, HostError, KeyNotFoundError, NotSupportedError, error_for
from hostdriver.pkcs11.cryptoki import AUTHORITY, CKA, CKC_X_509, CKK, CKM, CKO
from hostdriver.pkcs11.habits import Habits
from hostdriver.pkcs11.session import Session, Value
from hostdriver.pkcs11.signing import rsa_order, sm2_order, sm2_signature
from hostdriver.printable import printable
from hostdriver.token import Algorithm, ContainerFacts, PublicKey
from protocols import sm2
from protocols.errors import ProtocolError
from protocols.gmt import HashAlgorithm, KeyUse, RsaPublicKey, SignInput
from protocols.i18n import N_
from protocols.sw import SW

_SM2_CURVE = bytes.fromhex("06082a811ccf5501822d")
"""CKA_EC_PARAMS of SM2: the OID 1.2.156.10197.1.301 (GM/T 0006)."""
_EXPONENT = bytes.fromhex("010001")
_EC_POINT = b"\x04\x41"
"""The DER OCTET STRING around a point of 65 bytes; some modules leave it out."""


class Held(NamedTuple):
    """Objects of one CKA_ID.

    :param name: the label of its certificate, else of a key; the ID in hexadecimal where there is none, or where
        several have the same.
    """

    id: bytes
    name: str


class _Signer(NamedTuple):
    """A private key, its public half, and under which login it was found."""

    handle: int
    algorithm: Algorithm | None
    public: PublicKey | None
    login: int


def held_by(session: Session) -> list[Held]:
    """What a token holds, as far as the login lets us see it, in the order of the IDs.

    Certificates of authorities are left out, and so is what has neither an ID nor a key.
    """
    labels: dict[bytes, str] = {}
    for kind in (CKO.CERTIFICATE, CKO.PUBLIC_KEY, CKO.PRIVATE_KEY):
        for handle in session.find({CKA.CLASS: kind}):
            identity = session.read(handle, CKA.ID) or b""
            if kind is CKO.CERTIFICATE and not _is_customers(session, handle, identity):
                continue
            label = (session.read(handle, CKA.LABEL) or b"").decode(errors="replace").strip(" \0")
            labels[identity] = labels.get(identity) or label
    names = list(labels.values())
    return [
        Held(identity, label if label and names.count(label) == 1 else identity.hex())
        for identity, label in sorted(labels.items())
    ]


def _is_customers(session: Session, handle: int, identity: bytes) -> bool:
    return bool(identity) and session.read_number(handle, CKA.CERTIFICATE_CATEGORY) != AUTHORITY


class Pkcs11Container(token.Container):
    """A container of an open token.

    :param mechanisms: what the token can do.
    """

    def __init__(self, session: Session, mechanisms: frozenset[int], habits: Habits, held: Held) -> None:
        self._session = session
        self._mechanisms = mechanisms
        self._habits = habits
        self.id, self.name = held
        self._signer: _Signer | None = None

    def facts(self) -> ContainerFacts:
        """See `token.Container.facts`: a pair that does not sign is an encryption pair."""
        with self._session.lock:
            key, use = self._public_key(), self._use()
            has_certificate = self._find(CKO.CERTIFICATE) is not None
            kind, algorithm = self._type(key), self._algorithm(key)
        bits = key.bits if isinstance(key, RsaPublicKey) else sm2.BITS if key else 0
        is_signing = use is KeyUse.SIGN
        return ContainerFacts(
            self.name,
            kind,
            algorithm,
            bits if is_signing else 0,
            has_certificate and is_signing,
            0 if is_signing else bits,
            has_certificate and not is_signing,
        )

    def certificate(self, use: KeyUse = KeyUse.SIGN) -> bytes:
        """See `token.Container.certificate`."""
        der = self._certificate() if use is self._use() else None
        if der is None:
            raise error_for(SW.KEY_NOT_FOUND)
        return der

    def public_key(self, use: KeyUse = KeyUse.SIGN) -> PublicKey:
        """See `token.Container.public_key`: of the public object, else of the certificate."""
        key = self._public_key() if use is self._use() else None
        if key is None:
            raise error_for(SW.KEY_NOT_FOUND)
        return key

    def sign(self, data: bytes, source: SignInput, hash_code: HashAlgorithm = HashAlgorithm.SHA256) -> bytes:
        """See `token.Container.sign`."""
        with self._session.lock:
            if self._signer is None or self._signer.login != self._session.logins:
                self._signer = self._find_signer()
            key, algorithm, public, _ = self._signer
            if algorithm is Algorithm.RSA:
                order = rsa_order(self._mechanisms, data, source, hash_code)
                return self._session.sign(order.mechanism, key, order.data)
            if algorithm is None:
                raise NotSupportedError(
                    N_("{name} has a key pair that is neither RSA nor SM2"), name=printable(self.name)
                )
            if not isinstance(public, sm2.PublicKey):
                raise error_for(SW.KEY_NOT_FOUND)
            order = sm2_order(self._mechanisms, self._habits, data, source, public)
            raw = self._session.sign(order.mechanism, key, order.data)
        try:
            return sm2_signature(raw)
        except ProtocolError as error:
            raise AnswerError(error.message, **error.values) from None

    def generate(self, algorithm: Algorithm, bits: int = 0) -> PublicKey:
        """See `token.Container.generate`: the old objects go once the new pair is there, its certificate too."""
        mechanism, values = self._plan(algorithm, bits)
        shared: dict[CKA, Value] = {CKA.TOKEN: True, CKA.ID: self.id, CKA.LABEL: self.name}
        private: dict[CKA, Value] = {CKA.PRIVATE: True, CKA.SENSITIVE: True, CKA.EXTRACTABLE: False}
        with self._session.lock:
            old = self.objects()
            public = shared | values | {CKA.VERIFY: True}
            self._session.generate(mechanism, public, shared | private | {CKA.SIGN: True})
            self._signer = None
            for handle in old:
                self._session.destroy(handle)
            return self.public_key()

    def import_certificate(self, der: bytes, use: KeyUse = KeyUse.SIGN) -> None:
        """See `token.Container.import_certificate`: in place of one that is there."""
        names = _names_in(der)
        with self._session.lock:
            old = self._find(CKO.CERTIFICATE)
            self._session.create(
                {
                    CKA.CLASS: CKO.CERTIFICATE,
                    CKA.CERTIFICATE_TYPE: CKC_X_509,
                    CKA.TOKEN: True,
                    CKA.ID: self.id,
                    CKA.LABEL: self.name,
                    CKA.VALUE: der,
                    **names,
                }
            )
            if old is not None:
                self._session.destroy(old)

    def objects(self) -> list[int]:
        """Handles of everything in it."""
        return self._session.find({CKA.ID: self.id})

    def _plan(self, algorithm: Algorithm, bits: int) -> tuple[int, dict[CKA, Value]]:
        """The mechanism that makes such a pair, and what it wants to know of the public key."""
        if algorithm is Algorithm.RSA:
            values: dict[CKA, Value] = {CKA.MODULUS_BITS: bits, CKA.PUBLIC_EXPONENT: _EXPONENT}
            return CKM.RSA_PKCS_KEY_PAIR_GEN, values
        mechanism = self._habits.sm2_generate
        if mechanism is None or mechanism not in self._mechanisms:
            raise NotSupportedError(
                N_("PKCS#11 has no SM2 of its own, and this module's maker is not one that we know: use SKF")
            )
        return mechanism, {CKA.EC_PARAMS: _SM2_CURVE}

    def _find(self, kind: CKO) -> int | None:
        found = self._session.find({CKA.CLASS: kind, CKA.ID: self.id})
        return found[0] if found else None

    def _find_signer(self) -> _Signer:
        """The private key, and what it is of; without a login most tokens do not show it."""
        handle = self._find(CKO.PRIVATE_KEY)
        if handle is None and self._session.user is None:
            raise error_for(SW.NOT_LOGGED_IN)
        if handle is None or self._use() is not KeyUse.SIGN:
            raise KeyNotFoundError(SW.KEY_NOT_FOUND)
        return _Signer(handle, self._algorithm_of(handle), self._public_key(), self._session.logins)

    def _use(self) -> KeyUse:
        """What its pair is for, by the private key, else by the public one; a bare certificate may be of either."""
        for kind, attribute in ((CKO.PRIVATE_KEY, CKA.SIGN), (CKO.PUBLIC_KEY, CKA.VERIFY)):
            handle = self._find(kind)
            if handle is not None and self._session.read_number(handle, attribute) is not None:
                return KeyUse.SIGN if self._session.read_number(handle, attribute) else KeyUse.EXCHANGE
        return KeyUse.SIGN

    def _certificate(self) -> bytes | None:
        handle = self._find(CKO.CERTIFICATE)
        return None if handle is None else self._session.read(handle, CKA.VALUE)

    def _public_key(self) -> PublicKey | None:
        for kind in (CKO.PUBLIC_KEY, CKO.PRIVATE_KEY):
            handle = self._find(kind)
            if handle is not None and (key := self._read_key(handle)):
                return key
        try:
            return certificates.describe(self._certificate() or b"").public_key
        except AnswerError:
            return None

    def _read_key(self, handle: int) -> PublicKey | None:
        read = self._session.read
        algorithm = self._algorithm_of(handle)
        if algorithm is Algorithm.RSA:
            n, e = read(handle, CKA.MODULUS), read(handle, CKA.PUBLIC_EXPONENT)
            return RsaPublicKey(int.from_bytes(n), int.from_bytes(e)) if n and e else None
        point = read(handle, CKA.EC_POINT) if algorithm is Algorithm.SM2 else None
        if not point:
            return None
        try:
            return sm2.PublicKey.parse(point.removeprefix(_EC_POINT))
        except ProtocolError as error:
            raise AnswerError(error.message, **error.values) from None

    def _algorithm_of(self, handle: int) -> Algorithm | None:
        kind = self._session.read_number(handle, CKA.KEY_TYPE)
        if kind == CKK.RSA:
            return Algorithm.RSA
        is_sm2 = kind == CKK.EC and self._session.read(handle, CKA.EC_PARAMS) == _SM2_CURVE
        return Algorithm.SM2 if is_sm2 or (kind and kind == self._habits.sm2_key_type) else None

    def _algorithm(self, key: PublicKey | None) -> Algorithm | None:
        if key is None:
            return None
        return Algorithm.RSA if isinstance(key, RsaPublicKey) else Algorithm.SM2

    def _type(self, key: PublicKey | None) -> str:
        """For a person: its algorithm, EC for another curve, a maker's number, or nothing."""
        algorithm = self._algorithm(key)
        if algorithm:
            return algorithm.name
        for kind in (CKO.PUBLIC_KEY, CKO.PRIVATE_KEY):
            handle = self._find(kind)
            if handle is not None:
                number = self._session.read_number(handle, CKA.KEY_TYPE)
                return "EC" if number == CKK.EC else f"{number:#x}" if number is not None else "?"
        return "EMPTY"


def _names_in(der: bytes) -> dict[CKA, Value]:
    """What a certificate's object repeats of it (Base §4.6.3).

    :raises HostError: it is no certificate.
    """
    try:
        certificate = x509.Certificate.load(der, strict=True)
        return {
            CKA.SUBJECT: certificate.subject.dump(),
            CKA.ISSUER: certificate.issuer.dump(),
            CKA.SERIAL_NUMBER: certificate["tbs_certificate"]["serial_number"].dump(),
        }
    except (ValueError, TypeError):
        raise HostError(N_("this is not a certificate in DER")) from None
