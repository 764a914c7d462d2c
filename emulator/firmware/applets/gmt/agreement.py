"""SM2 key agreement of GM/T 0017 §9.6 (GB/T 32918.3): two containers' encryption pairs make a session key."""

from __future__ import annotations

from emulator.firmware.applets.gmt.decoding import decoded
from emulator.firmware.applets.gmt.session_keys import ALGORITHM_ANSWERS, PLACE, exchange_slot, supported
from emulator.firmware.applets.gmt.table import HANDLE, Call, Need, Table
from emulator.firmware.core import Core
from emulator.firmware.session_keys import Agreement
from protocols import sm2
from protocols.fields import u32
from protocols.gmt import ContainerType, Ins
from protocols.gmt.ecc import AgreementAnswer, AgreementEnd, AgreementReply, AgreementStart
from protocols.gmt.session_keys import key_number
from protocols.sw import SW

TABLE = Table()

_AGREE = (*PLACE, Need.USER_PIN, Need.PIN_CHANGED)
_LENGTHS = (2 * HANDLE + 1, None)
_ANSWERS = (SW.WRONG_LENGTH, SW.WRONG_DATA, SW.KEY_NOT_FOUND)


@TABLE.command(Ins.GENERATE_AGREEMENT_DATA, *_AGREE, lc=_LENGTHS, answers=(*_ANSWERS, *ALGORITHM_ANSWERS))
def generate_agreement_data(core: Core, call: Call) -> bytes:
    """GenerateAgreementDataWithECC: the sponsor begins; its temporary public key, and the agreement's handle."""
    start = decoded(core, AgreementStart.decode, call.body)
    algorithm = supported(core, start.algorithm)
    exchange_slot(call, ContainerType.ECC)
    temporary = core.secure_element.temporary_sm2()
    agreement = Agreement(algorithm, temporary, start.sponsor_id)
    handle = core.session.keys.begin_agreement(call.container.place, agreement)
    return AgreementAnswer(temporary.public, handle).encode(core.dialect)


@TABLE.command(
    Ins.GENERATE_AGREEMENT_DATA_AND_KEY,
    *_AGREE,
    lc=_LENGTHS,
    answers=(*_ANSWERS, *ALGORITHM_ANSWERS, SW.NO_ROOM),
)
def generate_agreement_data_and_key(core: Core, call: Call) -> bytes:
    """GenerateAgreementDataAndKeyWithECC: the responder; its temporary public key, and the new key's KeyID."""
    reply = decoded(core, AgreementReply.decode, call.body)
    algorithm = supported(core, reply.algorithm)
    slot = exchange_slot(call, ContainerType.ECC)
    temporary = core.secure_element.temporary_sm2()
    value = core.secure_element.agree_sm2(
        slot,
        sm2.Role.RESPONDER,
        temporary,
        reply.sponsor.public,
        reply.sponsor.temporary,
        reply.responder_id,
        reply.sponsor_id,
        algorithm.cipher.key_size,
    )
    key_id = core.session.keys.add(call.container.place, algorithm, value)
    return AgreementAnswer(temporary.public, key_number(key_id, core.dialect)).encode(core.dialect)


@TABLE.command(Ins.GENERATE_KEY, *_AGREE, lc=_LENGTHS, answers=(*_ANSWERS, SW.NO_ROOM))
def generate_key(core: Core, call: Call) -> bytes:
    """GenerateKeyWithECC: the sponsor ends an agreement, which serves once; the new key's KeyID as an integer."""
    end = decoded(core, AgreementEnd.decode, call.body)
    slot = exchange_slot(call, ContainerType.ECC)
    agreement = core.session.keys.take_agreement(call.container.place, end.handle)
    value = core.secure_element.agree_sm2(
        slot,
        sm2.Role.SPONSOR,
        agreement.temporary,
        end.responder.public,
        end.responder.temporary,
        agreement.sponsor_id,
        end.responder_id,
        agreement.algorithm.cipher.key_size,
    )
    key_id = core.session.keys.add(call.container.place, agreement.algorithm, value)
    return u32(key_number(key_id, core.dialect), core.dialect)
