"""The log of APDUs: names, statuses, times; and never a secret."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from emulator.control.journal import ApduLog, ApduRecord
from hostdriver.errors import CancelledError, PinIncorrectError
from protocols.gmt import PinType, SignInput
from protocols.sw import SW
from tests.rig.key import REMOVED, KeyRig, activation_code
from tests.rig.messages import TRANSFER

GET_DEV_INFO = "80040000000000"


@pytest.fixture
def apdus(rig: KeyRig) -> Iterator[ApduLog]:
    log = ApduLog(rig.device)
    yield log
    log.close()


def named(apdus: ApduLog, name: str) -> list[ApduRecord]:
    return [record for record in apdus.since(0) if record.name == name]


def test_a_command_and_its_answer(rig: KeyRig, apdus: ApduLog) -> None:
    rig.clock.advance(3)
    answer = rig.raw(GET_DEV_INFO)
    (record,) = apdus.since(0)
    assert record == ApduRecord(
        number=1, time=3.0, name="GetDevInfo", header=bytes.fromhex("80040000"), lc=0, le=65536, data=b"",
        sw=0x9000, meaning="done", answer=answer[:-2], answer_length=len(answer) - 2, ms=0.0, pending=False,
    )  # fmt: skip


def test_a_command_that_waits_for_a_person(rig: KeyRig, apdus: ApduLog) -> None:
    heard: list[ApduRecord] = []
    stop = apdus.on_change(heard.append)
    with rig.ending_in(CancelledError, partial(sign, rig)):
        before = apdus.since(0)[-1]
        rig.clock.advance(4)
        rig.press("cancel")
    after = apdus.since(before.number - 1)[0]
    assert (before.name, before.pending, before.sw, before.ms) == ("ECCSignData", True, None, None)
    assert (after.number, after.pending, after.sw, after.ms) == (before.number, False, SW.CANCELLED, 4000.0)
    assert [record.pending for record in heard if record.number == before.number] == [True, False]
    stop()
    count = len(heard)
    rig.raw(GET_DEV_INFO)
    assert len(heard) == count


def sign(rig: KeyRig) -> None:
    rig.log_in()
    rig.session.sign_sm2(rig.container(), TRANSFER, SignInput.MESSAGE)


def test_power_that_is_lost_leaves_it_without_a_status(rig: KeyRig, apdus: ApduLog) -> None:
    with rig.ending_in(REMOVED, partial(sign, rig)):
        rig.device.power_off()
    (record,) = named(apdus, "ECCSignData")
    assert (record.pending, record.sw, record.answer, record.ms) == (False, None, None, 0.0)


def test_what_is_busy_or_unknown_is_there_too(rig: KeyRig, apdus: ApduLog) -> None:
    with rig.ending_in(CancelledError, partial(sign, rig)):
        rig.device.begin(bytes.fromhex(GET_DEV_INFO))
        assert apdus.since(0)[-1].sw == 0x6FF6
        rig.press("cancel")
    rig.raw("80fe0000")
    unknown = apdus.since(0)[-1]
    assert (unknown.header.hex(), unknown.sw) == ("80fe0000", 0x6D00)


@pytest.mark.parametrize("apdu", ["", "80", "800400", "8004000005", "800400000501", "00" * 300])
def test_bytes_that_are_no_apdu(apdu: str, rig: KeyRig, apdus: ApduLog) -> None:
    status = rig.status(apdu)
    (record,) = apdus.since(0)
    assert record.sw == status
    assert record.header == bytes.fromhex(apdu)[:4]


def test_no_pin_no_code_no_key_is_kept(rig: KeyRig, apdus: ApduLog) -> None:
    """PINs travel as cryptograms, codes and keys too: none of these bytes is kept, the status is."""
    application = rig.log_in()
    with pytest.raises(PinIncorrectError):
        rig.session.verify_pin(application, "999999")
    rig.session.change_pin(application, rig.user_pin, "k8wq2z")
    rig.session.verify_pin(application, "k8wq2z")
    rig.session.pin_info(application)
    secret = [record for record in apdus.since(0) if record.data is None]
    assert {record.name for record in secret} == {"VerifyPIN", "ChangePIN"}
    assert {record.answer for record in secret} == {None}
    assert all(record.sw is not None and record.lc > 0 for record in secret)
    assert [record.data is not None for record in named(apdus, "GetPINInfo")] == [True]


@pytest.mark.stage("issued")
@pytest.mark.limits(activation="host")
def test_no_activation_code_is_kept(rig: KeyRig, apdus: ApduLog) -> None:
    rig.log_in()
    rig.session.activate(rig.container(), activation_code(rig.profile))
    kept = [record for record in apdus.since(0) if "ctivat" in record.name]
    assert kept
    assert {record.data for record in kept} == {None}


def test_secrets_are_not_in_the_text_of_a_record(rig: KeyRig, apdus: ApduLog) -> None:
    """Whoever logs a record logs no secret."""
    heard: list[bytes] = []
    stop = rig.device.on_apdu(lambda apdu, _: heard.append(apdu))
    rig.log_in()
    stop()
    verify = next(apdu for apdu in heard if apdu[:2] == b"\x80\x18")
    assert repr(verify[7:20])[2:-1] not in repr(apdus.since(0))


def test_only_the_last_are_kept_in_order(rig: KeyRig, apdus: ApduLog) -> None:
    for _ in range(1010):
        rig.raw("80fe0000")
    kept = apdus.since(0)
    assert 100 <= len(kept) < 1000
    assert [record.number for record in kept] == list(range(1011 - len(kept), 1011))
    assert apdus.since(1009) == kept[-1:]


def test_closed_it_hears_no_more(rig: KeyRig) -> None:
    log = ApduLog(rig.device)
    log.close()
    rig.raw(GET_DEV_INFO)
    assert log.since(0) == []


def test_pin_types_are_told_apart_in_the_header(rig: KeyRig, apdus: ApduLog) -> None:
    application = rig.open()
    rig.session.pin_info(application, PinType.ADMIN)
    (record,) = named(apdus, "GetPINInfo")
    assert record.header[3] == PinType.ADMIN


@pytest.mark.limits(confirm__ok_dead_ms=0)
def test_an_answer_that_comes_after_its_record_has_left_is_told_and_not_kept(
    rig: KeyRig, apdus: ApduLog
) -> None:
    """However many are refused as busy meanwhile, the log stays in order and bounded."""
    rig.log_in()
    container = rig.container()
    told: list[ApduRecord] = []
    apdus.on_change(told.append)
    with rig.pending(rig.session.sign_sm2, container, TRANSFER, SignInput.MESSAGE):
        for _ in range(600):
            rig.device.begin(bytes.fromhex(GET_DEV_INFO))
        rig.page_and_press_ok()
    kept = [record.number for record in apdus.since(0)]
    assert kept == list(range(kept[0], kept[0] + 500))
    assert (told[-1].name, told[-1].sw) == ("ECCSignData", SW.OK)
    assert told[-1].number < kept[0]
