"""Both ends of a Bluetooth key's wire: bytes by hand after CTAP 2.1, 11.4 (G40), then both against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.ble import (
    WHOLE,
    Cancel,
    Failed,
    FrameError,
    HostEnd,
    HostEvent,
    KeepAlive,
    KeepAliveStatus,
    KeyEnd,
    KeyEvent,
    Reply,
    Response,
    Transmit,
)
from protocols.errors import ProtocolError

RANDOM = bytes.fromhex("0084000008")
ASK = bytes.fromhex("83 0008 12 0005 0084000008")
ANSWER = bytes.fromhex("83 0005 12 0002 9000")
CANCEL = bytes.fromhex("BE 0000")
LONG = bytes.fromhex("8074020000002410003001") + bytes(range(32))  # 43 bytes
LONG_ASK = [
    bytes.fromhex("83 002E 12 002B") + LONG[:14],
    b"\x00" + LONG[14:33],
    b"\x01" + LONG[33:],
]


def error(code: int) -> bytes:
    return bytes((0xBF, 0, 1, code))


def replies(code: int) -> list[KeyEvent]:
    return [Reply([error(code)])]


def fed(key: KeyEnd, sent: Iterable[bytes]) -> list[KeyEvent]:
    return [event for fragment in sent for event in key.feed(fragment)]


class TestKeyEnd:
    def test_a_command_and_its_answer(self) -> None:
        key = KeyEnd(20)
        assert key.feed(ASK) == [Transmit(RANDOM)]
        assert key.under_way
        assert key.respond(bytes.fromhex("9000")) == [ANSWER]
        assert not key.under_way

    def test_a_command_in_three_fragments(self) -> None:
        key = KeyEnd(20)
        assert fed(key, LONG_ASK[:2]) == []
        assert key.incomplete
        assert key.feed(LONG_ASK[2]) == [Transmit(LONG)]

    def test_an_answer_in_fragments_of_the_size_there_is_now(self) -> None:
        key = KeyEnd(20)
        key.feed(ASK)
        key.fragment_size = 26
        assert key.respond(bytes(range(40))) == [
            bytes.fromhex("83 002B 12 0028") + bytes(range(20)),
            b"\x00" + bytes(range(20, 40)),
        ]

    def test_a_ping_comes_back(self) -> None:
        assert KeyEnd(20).feed(bytes.fromhex("81 0002 CAFE")) == [Reply([bytes.fromhex("81 0002 CAFE")])]

    def test_keep_alive(self) -> None:
        key = KeyEnd(20)
        assert key.keep_alive(KeepAliveStatus.PROCESSING) == []
        key.feed(ASK)
        assert key.keep_alive(KeepAliveStatus.PROCESSING) == [bytes.fromhex("82 0001 01")]
        assert key.keep_alive(KeepAliveStatus.USER_PRESENCE_NEEDED) == [bytes.fromhex("82 0001 02")]
        key.respond(b"\x90\x00")
        assert key.keep_alive(KeepAliveStatus.USER_PRESENCE_NEEDED) == []

    @pytest.mark.parametrize(
        "second", [ASK, LONG_ASK[0], bytes.fromhex("81 0000"), bytes.fromhex("BE 0001 00")]
    )
    def test_busy(self, second: bytes) -> None:
        key = KeyEnd(20)
        key.feed(ASK)
        assert key.feed(second) == replies(6)
        assert fed(key, LONG_ASK[1:]) == []  # the rest of the refused frame
        assert key.respond(b"\x90\x00") == [ANSWER]
        assert fed(key, [LONG_ASK[1], ASK]) == [Transmit(RANDOM)]

    def test_the_rest_of_a_refused_frame_after_the_answer(self) -> None:
        key = KeyEnd(20)
        key.feed(ASK)
        key.feed(LONG_ASK[0])
        key.respond(b"\x90\x00")
        assert fed(key, LONG_ASK[1:]) == []

    @pytest.mark.parametrize(
        ("sent", "code"),
        [
            ([b"\x99\x00\x00"], 0x01),
            ([bytes.fromhex("82 0001 01")], 0x01),
            ([bytes.fromhex("83 0005 13 0002 9000")], 0x02),  # no envelope
            ([bytes.fromhex("83 0005 12 0003 9000")], 0x02),  # cut short
            ([bytes.fromhex("83 0003 12 0000")], 0x02),  # holds nothing
            ([bytes.fromhex("83 0000")], 0x02),
            ([b""], 0x03),
            ([ASK + b"\0"], 0x03),
            ([LONG_ASK[0], LONG_ASK[2]], 0x04),
        ],
    )
    def test_each_wrong_frame_has_its_error_and_the_next_one_works(
        self, sent: list[bytes], code: int
    ) -> None:
        key = KeyEnd(20)
        assert fed(key, sent) == replies(code)
        assert key.feed(ASK) == [Transmit(RANDOM)]

    @pytest.mark.parametrize("lost", [0, 1])
    def test_a_fragment_is_lost(self, lost: int) -> None:
        key = KeyEnd(20)
        sent = LONG_ASK[:lost] + LONG_ASK[lost + 1 :]
        assert fed(key, sent) == replies(4)
        assert fed(key, LONG_ASK) == [Transmit(LONG)]

    def test_the_last_fragment_is_lost(self) -> None:
        key = KeyEnd(20)
        fed(key, LONG_ASK[:2])
        assert key.timed_out() == [error(5)]
        assert fed(key, [LONG_ASK[2], *LONG_ASK]) == [
            Transmit(LONG)
        ]  # the one that came too late says nothing

    @pytest.mark.parametrize("twice", [0, 1])
    def test_a_fragment_comes_twice(self, twice: int) -> None:
        key = KeyEnd(20)
        assert fed(key, LONG_ASK[: twice + 1] + LONG_ASK[twice:]) == replies(4)
        assert fed(key, LONG_ASK) == [Transmit(LONG)]

    @pytest.mark.parametrize("answered", [False, True])
    def test_the_last_fragment_comes_twice(self, answered: bool) -> None:
        key = KeyEnd(20)
        assert fed(key, LONG_ASK) == [Transmit(LONG)]
        if answered:
            key.respond(b"\x90\x00")
        assert key.feed(LONG_ASK[2]) == []

    @pytest.mark.parametrize(("order", "codes"), [((1, 0, 2), (4, 4)), ((0, 2, 1), (4,)), ((2, 1, 0), (4,))])
    def test_fragments_change_places(self, order: tuple[int, ...], codes: tuple[int, ...]) -> None:
        key = KeyEnd(20)
        assert fed(key, [LONG_ASK[at] for at in order]) == [
            event for code in codes for event in replies(code)
        ]

    def test_cancel_with_nothing_to_cancel(self) -> None:
        assert KeyEnd(20).feed(CANCEL) == []

    def test_cancel_before_the_command_is_whole(self) -> None:
        key = KeyEnd(20)
        assert fed(key, [LONG_ASK[0], CANCEL]) == replies(0x2D)
        assert fed(key, LONG_ASK) == [Transmit(LONG)]

    def test_cancel_a_command(self) -> None:
        key = KeyEnd(20)
        key.feed(ASK)
        assert key.feed(CANCEL) == [Cancel(), *replies(0x2D)]
        assert key.respond(b"\x90\x00") == key.fail(FrameError.OTHER) == []
        assert key.keep_alive(KeepAliveStatus.PROCESSING) == []
        assert key.feed(ASK) == [Transmit(RANDOM)]

    def test_cancel_after_the_answer(self) -> None:
        key = KeyEnd(20)
        key.feed(ASK)
        key.respond(b"\x90\x00")
        assert fed(key, [CANCEL, ASK]) == [Transmit(RANDOM)]

    @pytest.mark.parametrize(
        ("code", "number"), [(FrameError.LOW_BATTERY, 0xF0), (FrameError.BUSY, 6), (FrameError.OTHER, 0x7F)]
    )
    def test_a_command_that_cannot_be_done(self, code: FrameError, number: int) -> None:
        key = KeyEnd(20)
        assert key.fail(code) == []
        key.feed(ASK)
        assert key.fail(code) == [error(number)]
        assert not key.under_way

    def test_no_time_out_while_a_command_is_under_way(self) -> None:
        key = KeyEnd(20)
        key.feed(ASK)
        assert key.timed_out() == []
        assert key.respond(b"\x90\x00") == [ANSWER]

    @pytest.mark.parametrize("before", [[], [LONG_ASK[0]], [ASK]])
    def test_an_error_is_never_answered(self, before: list[bytes]) -> None:
        key = KeyEnd(20)
        fed(key, before)
        assert key.feed(error(1)) == []

    def test_a_response_that_is_too_long(self) -> None:
        key = KeyEnd(20)
        key.feed(ASK)
        with pytest.raises(ProtocolError):
            key.respond(bytes(65533))
        assert key.fail(FrameError.OTHER) == [error(0x7F)]
        key.feed(ASK)
        assert len(b"".join(key.respond(bytes(65532)))) == 3 + 65535 + 3449


class TestHostEnd:
    def test_a_command_and_its_answer(self) -> None:
        host = HostEnd(20)
        assert host.command(RANDOM) == [ASK]
        assert host.under_way
        assert host.feed(ANSWER) == Response(b"\x90\x00")
        assert host.command(LONG) == LONG_ASK

    def test_keep_alive(self) -> None:
        host = HostEnd(20)
        host.command(RANDOM)
        assert host.feed(bytes.fromhex("82 0001 01")) == KeepAlive(KeepAliveStatus.PROCESSING)
        assert host.feed(bytes.fromhex("82 0001 02")) == KeepAlive(KeepAliveStatus.USER_PRESENCE_NEEDED)
        assert host.feed(bytes.fromhex("82 0001 7B")) == KeepAlive(0x7B)
        assert host.feed(ANSWER) == Response(b"\x90\x00")

    @pytest.mark.parametrize(
        ("code", "name"), [*((each.value, each.name) for each in FrameError), (0x55, "0x55")]
    )
    def test_the_key_says_an_error(self, code: int, name: str) -> None:
        host = HostEnd(20)
        host.command(RANDOM)
        failed = host.feed(error(code))
        assert failed == Failed(code, from_key=True)
        assert isinstance(failed, Failed)
        assert failed.name == name
        assert not host.under_way

    @pytest.mark.parametrize(
        ("sent", "code"),
        [
            ([b"\xbe\0\0"], FrameError.INVALID_COMMAND),
            ([b"\x81\0\0"], FrameError.INVALID_COMMAND),
            ([bytes.fromhex("83 0005 13 0002 9000")], FrameError.INVALID_PARAMETER),
            ([b""], FrameError.INVALID_LENGTH),
            ([bytes.fromhex("82 0000")], FrameError.INVALID_LENGTH),
            ([bytes.fromhex("BF 0000")], FrameError.INVALID_LENGTH),
            ([bytes.fromhex("82 0002 0101")], FrameError.INVALID_LENGTH),
            ([b"\x00\x90\x00"], FrameError.INVALID_SEQUENCE),
            ([LONG_ASK[0], LONG_ASK[2]], FrameError.INVALID_SEQUENCE),
            ([LONG_ASK[0], bytes.fromhex("82 0001 01")], FrameError.INVALID_SEQUENCE),
        ],
    )
    def test_what_the_key_sends_is_wrong(self, sent: list[bytes], code: FrameError) -> None:
        host = HostEnd(20)
        host.command(RANDOM)
        assert [host.feed(fragment) for fragment in sent][-1] == Failed(code, from_key=False)

    def test_an_error_ends_an_answer_in_the_middle(self) -> None:
        host = HostEnd(20)
        host.command(RANDOM)
        assert host.feed(LONG_ASK[0]) is None
        assert host.feed(error(0x7F)) == Failed(FrameError.OTHER, from_key=True)

    def test_with_nothing_asked_nothing_is_an_event(self) -> None:
        host = HostEnd(20)
        sent = (ANSWER, error(4), bytes.fromhex("82 0001 01"), b"", b"\x05", ASK)
        assert [host.feed(fragment) for fragment in sent] == [None] * 6
        assert host.timed_out() is None
        assert host.cancel() == []

    def test_cancel(self) -> None:
        host = HostEnd(20)
        host.command(RANDOM)
        assert host.cancel() == [CANCEL]
        assert host.feed(error(0x2D)) == Failed(FrameError.CANCELLED, from_key=True)

    def test_the_answer_was_quicker_than_cancel(self) -> None:
        host = HostEnd(20)
        host.command(RANDOM)
        host.cancel()
        assert host.feed(ANSWER) == Response(b"\x90\x00")
        assert host.command(RANDOM) == [ASK]

    def test_one_command_at_a_time(self) -> None:
        host = HostEnd(20)
        host.command(RANDOM)
        with pytest.raises(RuntimeError):
            host.command(RANDOM)

    def test_a_command_that_is_too_long(self) -> None:
        host = HostEnd(20)
        with pytest.raises(ProtocolError):
            host.command(bytes(65533))
        assert host.command(RANDOM) == [ASK]

    def test_after_a_failure_late_answers_count_for_nothing(self) -> None:
        host = HostEnd(20)
        host.command(RANDOM)
        assert host.timed_out() == Failed(FrameError.TIMEOUT, from_key=False)
        for number in (1, 2):
            echo = bytes((0x81, 0, 4, 0, 0, 0, number))
            assert host.command(RANDOM) == [CANCEL, echo, ASK]
            late = [ANSWER, error(0x2D), bytes.fromhex("82 0001 01"), b"", bytes.fromhex("81 0000")]
            assert [host.feed(fragment) for fragment in late] == [None] * 5
            assert host.feed(echo) is None
            assert host.feed(error(6)) == Failed(FrameError.BUSY, from_key=True)

    def test_the_rest_of_a_late_answer_does_not_disturb(self) -> None:
        host = HostEnd(20)
        host.command(RANDOM)
        host.feed(LONG_ASK[0])
        assert host.incomplete
        host.timed_out()
        echo = host.command(RANDOM)[1]
        assert [host.feed(fragment) for fragment in (*LONG_ASK[1:], echo)] == [None] * 3
        assert host.feed(ANSWER) == Response(b"\x90\x00")
        assert host.command(RANDOM) == [ASK]

    def test_a_line_on_which_somebody_spoke_before(self) -> None:
        assert HostEnd(WHOLE, fresh=False).command(RANDOM)[0] == CANCEL


class Pair:
    """Both ends, and a card that answers each command with its own bytes and 9000, at once or later."""

    def __init__(self, size: int, *, at_once: bool = True) -> None:
        self.host = HostEnd(size)
        self.key = KeyEnd(size)
        self.at_once = at_once
        self.run: list[bytes] = []
        self.heard: list[HostEvent] = []

    def to_key(self, sent: Iterable[bytes]) -> None:
        for fragment in sent:
            for event in self.key.feed(fragment):
                if isinstance(event, Reply):
                    self.to_host(event.fragments)
                elif isinstance(event, Transmit):
                    self.run.append(event.apdu)
                    if self.at_once:
                        self.answer()

    def answer(self) -> None:
        self.to_host(self.key.respond(self.run[-1] + b"\x90\x00"))

    def to_host(self, sent: Iterable[bytes]) -> None:
        for fragment in sent:
            event = self.host.feed(fragment)
            if event is not None:
                self.heard.append(event)

    def exchange(self, apdu: bytes, disturb: Callable[[list[bytes]], list[bytes]] = list) -> HostEvent:
        self.heard.clear()
        self.to_key(disturb(self.host.command(apdu)))
        if not self.heard:  # nobody says any more: both clocks run out
            self.to_host(self.key.timed_out())
            if self.host.under_way:
                failed = self.host.timed_out()
                assert failed is not None
                self.heard.append(failed)
        return self.heard[0]


@given(st.binary(min_size=4, max_size=2000), st.integers(20, 512))
def test_both_ends_together(apdu: bytes, size: int) -> None:
    pair = Pair(size)
    assert pair.exchange(apdu) == Response(apdu + b"\x90\x00")
    assert pair.exchange(apdu[::-1]) == Response(apdu[::-1] + b"\x90\x00")


def disturbances(data: st.DataObject) -> Callable[[list[bytes]], list[bytes]]:
    def disturb(sent: list[bytes]) -> list[bytes]:
        at = data.draw(st.integers(0, len(sent) - 1))
        other = data.draw(st.integers(0, len(sent) - 1))
        kind = data.draw(st.sampled_from(["lost", "repeated", "reordered", "changed"]))
        disturbed = list(sent)
        if kind == "lost":
            del disturbed[at]
        elif kind == "repeated":
            disturbed.insert(other, sent[at])
        elif kind == "reordered":
            disturbed[at], disturbed[other] = disturbed[other], disturbed[at]
        else:
            other_bytes = [b"", b"\x99", CANCEL, error(4), b"\x81\0\0", sent[at][:-1]]
            disturbed[at] = data.draw(st.sampled_from(other_bytes))
        return disturbed

    return disturb


@given(st.data(), st.integers(20, 60))
def test_whatever_happens_to_a_fragment_no_answer_is_taken_for_anothers(
    data: st.DataObject, size: int
) -> None:
    """A command fails or is answered as itself; the command after a failure works."""
    pair = Pair(size)
    apdus = [bytes((number,)) * 100 for number in range(6)]
    for apdu in apdus:
        event = pair.exchange(apdu, disturbances(data))
        if isinstance(event, Response):
            assert event.apdu == apdu + b"\x90\x00"
            continue
        assert isinstance(event, Failed)
        assert pair.exchange(b"again") == Response(b"again\x90\x00")


def test_cancel_while_the_person_thinks_then_the_next_command() -> None:
    pair = Pair(20, at_once=False)
    pair.to_key(pair.host.command(LONG))
    pair.to_host(pair.key.keep_alive(KeepAliveStatus.USER_PRESENCE_NEEDED))
    pair.to_key(pair.host.cancel())
    assert pair.heard == [KeepAlive(2), Failed(FrameError.CANCELLED, from_key=True)]
    pair.at_once = True
    assert pair.exchange(RANDOM) == Response(RANDOM + b"\x90\x00")


def test_a_host_that_gave_up_while_the_person_thinks() -> None:
    pair = Pair(20, at_once=False)
    pair.to_key(pair.host.command(LONG))
    assert pair.host.timed_out() == Failed(FrameError.TIMEOUT, from_key=False)
    pair.at_once = True
    assert pair.exchange(RANDOM) == Response(RANDOM + b"\x90\x00")
    assert pair.run == [LONG, RANDOM]


hostile = st.binary(max_size=40) | st.sampled_from(
    [
        ASK,
        ANSWER,
        CANCEL,
        *LONG_ASK,
        error(4),
        bytes.fromhex("81 0001 00"),
        bytes.fromhex("83FFFF00"),
        b"\x82\0\1\2",
    ]
)


@given(st.lists(hostile, max_size=40), st.data())
def test_no_fragments_upset_the_key(sent: list[bytes], data: st.DataObject) -> None:
    key = KeyEnd(20)
    for fragment in sent:
        for event in key.feed(fragment):
            assert not isinstance(event, Transmit) or event.apdu
        match data.draw(st.integers(0, 5)):
            case 0:
                key.respond(b"\x90\x00")
            case 1:
                key.timed_out()
            case 2:
                key.fail(FrameError.OTHER)
    key.respond(b"\x90\x00")
    key.timed_out()
    assert key.feed(ASK) == [Transmit(RANDOM)]


@given(st.lists(hostile, max_size=40), st.data())
def test_no_fragments_upset_the_host(sent: list[bytes], data: st.DataObject) -> None:
    host, key = HostEnd(20), KeyEnd(20)
    for fragment in sent:
        if not host.under_way:
            host.command(RANDOM)
        host.feed(fragment)
        if data.draw(st.booleans()):
            host.cancel()
    host.timed_out()
    heard = []
    for fragment in host.command(RANDOM):
        for event in key.feed(fragment):
            answers = event.fragments if isinstance(event, Reply) else key.respond(b"\x90\x00")
            heard += [host.feed(answer) for answer in answers]
    assert heard[-1] == Response(b"\x90\x00")
