"""SM2 key agreement, GM/T 0017 §9.6 and GB/T 32918.3: sponsor begins, responder answers, sponsor ends.

The encryption pairs of two containers take part; both need the user PIN. The key makes the temporary pairs and never
tells the agreed key: each side holds it as a session key.
"""

from __future__ import annotations

from dataclasses import dataclass

from hostdriver.gmt.containers import Container
from hostdriver.gmt.session_keys import SessionKey
from hostdriver.gmt.wire import Wire, decoded
from protocols import sm2
from protocols.dialect import Dialect
from protocols.fields import Fields
from protocols.gmt import Ins, SymmetricAlgorithm
from protocols.gmt.ecc import AgreementAnswer, AgreementEnd, AgreementKeys, AgreementReply, AgreementStart
from protocols.gmt.session_keys import key_id_of

_ANSWER = 72


@dataclass(frozen=True, slots=True)
class Agreement:
    """An agreement that a sponsor began; it serves once.

    :param temporary: the sponsor's temporary public key, which the responder needs.
    """

    container: Container
    handle: int
    algorithm: SymmetricAlgorithm
    temporary: sm2.PublicKey


class AgreementCommands(Wire):
    """Both roles of a key agreement."""

    def start_agreement(
        self, container: Container, algorithm: SymmetricAlgorithm, sponsor_id: bytes = sm2.DEFAULT_ID
    ) -> Agreement:
        """GenerateAgreementDataWithECC, as sponsor."""
        data = container.handles + AgreementStart(algorithm.code, sponsor_id).encode(self.dialect)
        answer = self.send(Ins.GENERATE_AGREEMENT_DATA, data, le=_ANSWER)
        temporary, handle = decoded(AgreementAnswer.decode, answer, self.dialect)
        return Agreement(container, handle, algorithm, temporary)

    def answer_agreement(
        self,
        container: Container,
        algorithm: SymmetricAlgorithm,
        sponsor: AgreementKeys,
        sponsor_id: bytes = sm2.DEFAULT_ID,
        responder_id: bytes = sm2.DEFAULT_ID,
    ) -> tuple[sm2.PublicKey, SessionKey]:
        """GenerateAgreementDataAndKeyWithECC, as responder.

        :returns: the responder's temporary public key, which the sponsor needs, and the agreed key.
        """
        reply = AgreementReply(algorithm.code, sponsor, sponsor_id, responder_id)
        data = container.handles + reply.encode(self.dialect)
        answer = self.send(Ins.GENERATE_AGREEMENT_DATA_AND_KEY, data, le=_ANSWER)
        temporary, key_id = decoded(_temporary_and_key_id, answer, self.dialect)
        return temporary, SessionKey(container, key_id, algorithm)

    def finish_agreement(
        self, agreement: Agreement, responder: AgreementKeys, responder_id: bytes = sm2.DEFAULT_ID
    ) -> SessionKey:
        """GenerateKeyWithECC, as sponsor again: the agreed key."""
        end = AgreementEnd(agreement.handle, responder, responder_id)
        data = agreement.container.handles + end.encode(self.dialect)
        answer = self.send(Ins.GENERATE_KEY, data, le=4)
        key_id = decoded(_key_id, answer, self.dialect)
        return SessionKey(agreement.container, key_id, agreement.algorithm)


def _temporary_and_key_id(raw: bytes, dialect: Dialect) -> tuple[sm2.PublicKey, bytes]:
    temporary, number = AgreementAnswer.decode(raw, dialect)
    return temporary, key_id_of(number, dialect)


def _key_id(raw: bytes, dialect: Dialect) -> bytes:
    fields = Fields(raw, dialect)
    key_id = key_id_of(fields.number(4), dialect)
    fields.end()
    return key_id
