"""A PIN typed on the key's own keypad, ordered by PC_to_RDR_Secure (CCID 1.1, 6.1.11 and 6.1.12; E4 to E6)."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from emulator.control.journal import ApduLog
from emulator.device import Device, NotPoweredError
from emulator.firmware.facts import PinFacts
from emulator.firmware.pin_entry import PinEntry
from emulator.hardware.clock import ManualClock
from emulator.hardware.display import Screen
from emulator.hardware.storage_faulty import FaultyStorage, PowerCut
from emulator.profiles import Profile
from emulator.sharing import SharedKey
from hostdriver.gmt import GmtSession
from protocols.dialect import dialect_named
from tests.rig.key import stored
from tests.rig.reader import ABORT, SECURE, Reader, ReaderTransport, failed

PIN_TIMEOUT, PIN_CANCELLED, CMD_NOT_SUPPORTED, CMD_ABORTED = 0xF0, 0xEF, 0x00, 0xFF
VERIFY, CHANGE = "80180001", "84160001"
"""VerifyPIN and ChangePIN of the user's PIN (GM/T 0017)."""
NEW = "628318"

pytestmark = [
    pytest.mark.profile("bocom-smart-feitian"),
    pytest.mark.limits(pin__user__cache="session"),
]


class Host:
    """Orders PIN entries; the bank's application is open."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.shared = SharedKey(device)
        self.reader = Reader(self.shared)
        self.reader.power_on()
        self.session = GmtSession(ReaderTransport(self.reader), dialect_named(device.profile.dialect))
        self.application = self.session.open_application(device.profile.application)
        self.handle = self.application.handle.hex()

    def verify(
        self, header: str = VERIFY, data: str | None = None, *, seconds: int = 0, pin: str = "0c06"
    ) -> None:
        """PC_to_RDR_Secure with a PIN verification; `pin` is wPINMaxExtraDigit, the longest PIN first."""
        apdu = header + (f"02{self.handle}" if data is None else data)
        text = f"00 {seconds:02x} 82 00 00 {pin} 02 ff 0904 00 000000 {apdu}"
        self.reader.send(SECURE, bytes.fromhex(text), seq=3)

    def modify(self, *, confirm: int = 3, header: str = CHANGE) -> None:
        """PC_to_RDR_Secure with a PIN modification; bConfirmPIN: bit 0 the new one twice, bit 1 the present one too."""
        text = f"01 00 82 00 00 00 00 0c06 {confirm:02x} 02 ff 0904 00 01 02 000000 {header}02{self.handle}"
        self.reader.send(SECURE, bytes.fromhex(text), seq=3)

    def type(self, *pins: str) -> None:
        """Type each and press OK."""
        for pin in pins:
            self.device.type(pin)
            self.device.press("ok")

    @property
    def lines(self) -> tuple[str, ...]:
        """What the key shows."""
        return self.device.screen.lines

    @property
    def status(self) -> str:
        """The status word that is the whole answer."""
        answer = self.reader.answer()
        assert (answer[0], answer[6], answer[7]) == (0x80, 3, 0), answer.hex(" ")
        return answer[10:].hex()

    @property
    def error(self) -> int | None:
        """bError of the answer."""
        return failed(self.reader.answer())

    @property
    def pin(self) -> PinFacts:
        """The user PIN's state."""
        return self.device.inspect()[0].user_pin


@pytest.fixture
def host(device: Device) -> Iterator[Host]:
    host = Host(device)
    yield host
    host.reader.close()


@pytest.fixture
def right(profile: Profile) -> str:
    return profile.ready_user_pin


class TestVerify:
    def test_the_right_pin_logs_in(self, host: Host, right: str) -> None:
        host.verify()
        assert host.lines == ("请输入密码", "______")
        host.type(right)
        assert host.status == "9000"
        assert host.pin.verified
        assert host.lines == ("交通银行", "已连接")

    def test_as_many_digits_as_the_host_and_the_model_allow(self, host: Host) -> None:
        """wPINMaxExtraDigit: 6 to 12; the screen tells how many are wanted at least, and never which."""
        host.verify()
        host.type("12345")
        assert host.lines[1] == "*****_"
        host.device.type("6789012345")
        assert host.lines[1] == "*" * 12
        host.device.press("cancel")
        assert host.lines[1] == "______"

    def test_a_host_may_want_more_than_the_key_takes(self, host: Host) -> None:
        host.verify(pin="ff00")
        host.device.press("ok")
        host.device.type("1" * 40)
        assert host.lines[1] == "*" * 16

    def test_a_wrong_pin_costs_a_try(self, host: Host) -> None:
        host.verify()
        host.type("999999")
        assert host.status == "63c5"
        assert (host.pin.left, host.pin.verified) == (5, False)

    def test_a_wrong_pin_ends_the_login_and_a_right_one_gives_the_tries_back(
        self, host: Host, right: str
    ) -> None:
        for pin in (right, "999999"):
            host.verify()
            host.type(pin)
            host.reader.answer()
        assert not host.pin.verified
        host.verify()
        host.type(right)
        assert host.status == "9000"
        assert host.pin.left == 6

    def test_a_locked_pin_is_not_asked_for(self, host: Host) -> None:
        for left in range(6):
            host.verify()
            host.type("999999")
            assert host.status == f"63c{5 - left}"
        host.verify()
        assert host.status == "6983"

    def test_the_counter_goes_down_before_the_comparison(self, profile: Profile, right: str) -> None:
        """E4: the power fails as soon as the try is counted down; the right PIN was typed."""
        memory = FaultyStorage(stored(profile, "ready"), cut_at=1, phase="after")
        device = Device(profile, storage=memory, clock=ManualClock())
        host = Host(device)
        host.verify()
        with pytest.raises(PowerCut):
            host.type(right)
        memory.restart()
        device.reset()
        assert host.pin.left == 5
        host.reader.close()

    @pytest.mark.limits(pin__user__extra_press_at=6)
    def test_with_few_tries_left_a_press_comes_first(
        self, host: Host, right: str, clock: ManualClock
    ) -> None:
        """E5."""
        host.verify()
        assert host.lines == ("密码剩余次数:6",)
        clock.advance(host.device.ok_in)
        host.device.press("ok")
        host.type(right)
        assert host.status == "9000"

    def test_what_follows_the_handle_is_passed_over(self, host: Host, right: str) -> None:
        """A host may leave room for the cryptogram."""
        host.verify(data=f"12{host.handle}{'00' * 16}")
        host.type(right)
        assert host.status == "9000"

    def test_the_administrators_pin_is_one_too(self, host: Host, profile: Profile) -> None:
        host.verify("80180000")
        host.type(profile.pin.admin.initial)
        assert host.status == "9000"
        assert host.device.inspect()[0].admin_pin.verified

    @pytest.mark.limits(dialect="synochip")
    def test_in_another_dialect(self, host: Host, right: str) -> None:
        host.verify()
        host.type(right)
        assert host.status == "9000"


class TestNobodyTypes:
    def test_c_cancels(self, host: Host) -> None:
        """CCID 1.1, table 6.2-2: PIN_CANCELLED; no try is lost (E5)."""
        host.verify()
        host.device.type("1")
        host.device.press("cancel")
        host.device.press("cancel")
        assert host.error == PIN_CANCELLED
        assert host.pin.left == 6

    @pytest.mark.parametrize(("seconds", "lasts"), [(5, 5.0), (0, 60.0)])
    def test_the_hosts_time_or_the_models(
        self, host: Host, clock: ManualClock, seconds: int, lasts: float
    ) -> None:
        """bTimeOut; 0: the default of the reader. PIN_TIMEOUT."""
        host.verify(seconds=seconds)
        clock.advance(lasts - 0.1)
        assert host.device.seconds_left == pytest.approx(0.1)
        assert host.reader.wire.silent
        clock.advance(0.1)
        assert host.error == PIN_TIMEOUT

    def test_the_host_aborts(self, host: Host) -> None:
        host.verify()
        host.device.type("271")
        host.reader.abort_by_control(4)
        host.reader.send(ABORT, seq=4)
        assert host.error == CMD_ABORTED
        assert host.reader.answer()[6] == 4
        assert host.device.waiting is None

    def test_the_host_goes_away(self, host: Host) -> None:
        host.verify()
        host.reader.function.stop()
        assert host.device.waiting is None
        assert not host.device.powered

    def test_another_host_is_told_that_the_key_is_busy(self, host: Host, right: str) -> None:
        host.verify()
        entry = PinEntry(bytes.fromhex(f"{VERIFY}02{host.handle}"), 6, 12)
        assert host.shared.begin_pin_entry("another", entry).wait().hex() == "6ff6"
        assert host.device.begin_pin_entry(entry).wait().hex() == "6ff6"
        host.type(right)
        assert host.status == "9000"


class TestModify:
    def test_old_new_and_new_again(self, host: Host, right: str) -> None:
        host.modify()
        shown = []
        for pin in (right, NEW, NEW):
            shown.append(host.lines[0])
            host.type(pin)
        assert shown == ["请输入原密码", "请输入新密码", "请再输入新密码"]
        assert host.status == "9000"
        assert not host.pin.verified
        host.verify()
        host.type(NEW)
        assert host.status == "9000"

    def test_a_host_that_knows_nothing_of_keypads_logs_in_with_it(self, host: Host, right: str) -> None:
        """The PIN is the same one to VerifyPIN's cryptogram."""
        host.modify()
        host.type(right, NEW, NEW)
        assert host.status == "9000"
        host.session.verify_pin(host.application, NEW)
        assert host.pin.verified

    @pytest.mark.stage("issued")
    def test_the_initial_pin_is_changed(self, host: Host, profile: Profile) -> None:
        """E3."""
        assert host.pin.initial
        host.modify()
        host.type(profile.pin.user.initial, NEW, NEW)
        assert host.status == "9000"
        assert not host.pin.initial

    def test_the_new_one_once(self, host: Host, right: str) -> None:
        host.modify(confirm=2)
        host.type(right, NEW)
        assert host.status == "9000"

    def test_a_login_outlives_it(self, host: Host, right: str) -> None:
        host.verify()
        host.type(right)
        assert host.status == "9000"
        host.modify(confirm=1)
        host.type(NEW, NEW)
        assert host.status == "9000"
        assert host.pin.verified

    def test_without_the_present_pin_and_without_login(self, host: Host) -> None:
        host.modify(confirm=1)
        assert host.status == "6982"

    @pytest.mark.parametrize("button", ["ok", "cancel"])
    def test_two_new_ones_are_told_on_the_screen(
        self, host: Host, right: str, clock: ManualClock, button: str
    ) -> None:
        """6402: PC/SC part 10, 2.6.4. No try is lost, and the PIN stays."""
        host.modify()
        host.type(right, NEW, "628319")
        assert host.lines == ("两次密码不一致",)
        clock.advance(host.device.ok_in)
        host.device.press(button)
        assert host.status == "6402"
        assert host.pin.left == 6
        host.verify()
        host.type(right)
        assert host.status == "9000"

    def test_a_wrong_present_pin(self, host: Host, right: str) -> None:
        host.modify()
        host.type("999999", NEW, NEW)
        assert host.status == "63c5"
        host.verify()
        host.type(right)
        assert host.status == "9000"

    def test_a_weak_new_pin(self, host: Host, right: str) -> None:
        """E6; the present PIN was right, so its tries are all there."""
        host.modify()
        host.type(right, "123456", "123456")
        assert host.status == "6a80"
        assert host.pin.left == 6

    @pytest.mark.parametrize("typed", range(3))
    def test_who_cancels_half_way_loses_nothing(self, host: Host, right: str, typed: int) -> None:
        host.modify()
        host.type(*(right, NEW, NEW)[:typed])
        host.device.press("cancel")
        assert host.error == PIN_CANCELLED
        assert host.pin.left == 6


class TestRefusals:
    @pytest.mark.parametrize(
        ("header", "data", "status"),
        [
            (CHANGE, None, "6d00"),
            ("80500000", "", "6d00"),
            ("80ff0000", "", "6d00"),
            ("00200001", None, "6e00"),
            ("84180001", None, "6882"),
            ("80180002", None, "6a86"),
            (VERIFY, "02ffff", "6a82"),
            (VERIFY, "0110", "6a82"),
            (VERIFY, "05ffff", "6700"),
        ],
    )
    def test_an_apdu_that_is_no_pin_command(
        self, host: Host, header: str, data: str | None, status: str
    ) -> None:
        host.verify(header, data)
        assert host.status == status
        assert host.device.waiting is None

    def test_verify_is_no_change(self, host: Host) -> None:
        host.modify(header="80180001")
        assert host.status == "6d00"

    @pytest.mark.profile("bocom-2g-tendyron")
    def test_a_model_without_keypad(self, host: Host) -> None:
        """CCID 1.1, table 6.2-2: the command is not supported."""
        host.verify()
        assert host.error == CMD_NOT_SUPPORTED
        entry = PinEntry(bytes.fromhex(f"{VERIFY}02{host.handle}"), 6, 12)
        assert host.device.begin_pin_entry(entry).wait().hex() == "6a81"

    def test_a_key_without_power(self, device: Device) -> None:
        with pytest.raises(NotPoweredError):
            device.begin_pin_entry(PinEntry(bytes.fromhex(VERIFY), 6, 12))


class TestSecrecy:
    def test_the_pin_is_nowhere_to_be_seen(
        self, host: Host, right: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Not on a screen, in the log of APDUs, in a message or in what a debugger's repr prints."""
        caplog.set_level(logging.DEBUG)
        screens: list[Screen] = []
        host.device.on_screen(screens.append)
        log = ApduLog(host.device)
        host.modify()
        host.type(right, NEW, NEW)
        assert host.status == "9000"
        (record,) = log.since(0)
        assert (record.name, record.data, record.answer, record.sw) == ("ChangePIN", None, None, 0x9000)
        told = caplog.text + repr(screens) + repr(host.device.waiting) + repr(record)
        assert right not in told
        assert NEW not in told
