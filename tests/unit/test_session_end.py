"""E8: what a session has unlocked is locked when it ends, also where the key keeps its power."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from emulator.device import Device, PowerLostError
from emulator.hardware.display import ScreenKind
from emulator.links.inproc import InProcessLink
from emulator.links.usb.hid import HidFunction
from emulator.profiles import Profile
from hostdriver.errors import CancelledError, NotFoundError, NotLoggedInError
from hostdriver.gmt import GmtSession
from hostdriver.transport import usb_hid
from hostdriver.transport.usb_hid import HidTransport
from hostdriver.transport.usb_interface import UsbSilenceError
from protocols.ccid import PinModify, PinVerify
from protocols.gmt import ApplicationInfo, Ins, PinType, SignInput
from protocols.i18n import N_
from tests.rig.key import user_pin
from tests.rig.messages import TRANSFER
from tests.rig.patience import PATIENCE_S
from tests.rig.usb_functions import FunctionInterface, QueueBus, shared_key

CLEAR_SECURE_STATE = 0x1C


class Powered(InProcessLink):
    """A way that cannot take the power away, as HID or a shared reader."""

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self.sent: list[int] = []
        self.is_open = True
        self.is_cut = False

    def exchange(self, apdu: bytes) -> bytes:
        self.sent.append(apdu[1])
        if self.is_cut:
            raise PowerLostError("gone")
        return super().exchange(apdu)

    def last_words(self, apdu: bytes) -> bytes:
        return self.exchange(apdu)

    def close(self) -> None:
        self.is_open = False


class Keypad(Powered):
    """A way to a key whose person types the PIN there."""

    def verify_pin(self, _entry: PinVerify) -> bytes:
        profile = self._device.profile
        session = GmtSession(self)
        session.verify_pin(session.open_application(profile.application), user_pin(profile, "ready"))
        return b"\x90\x00"

    def modify_pin(self, entry: PinModify) -> bytes:
        raise NotImplementedError


class Host:
    """A session, and what the key makes of its end."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.pin = user_pin(device.profile, "ready")
        self.way = Powered(device)
        self.way.reset()
        self.session = GmtSession(self.way)

    def log_in(self) -> ApplicationInfo:
        application = self.session.open_application(self.device.profile.application)
        self.session.verify_pin(application, self.pin)
        assert self.is_logged_in
        return application

    @property
    def is_logged_in(self) -> bool:
        return self.device.inspect()[0].user_pin.verified


@pytest.fixture
def host(device: Device) -> Iterator[Host]:
    host = Host(device)
    yield host
    device.close()


def test_nobody_inherits_a_login_over_hid() -> None:
    shared = shared_key()
    device = shared.device
    bus = QueueBus()
    function = HidFunction(shared, 0, 3)
    function.start(bus)
    interface = FunctionInterface(function, bus)
    way = HidTransport(None, interface, "usb:1209:0001")  # type: ignore[arg-type]
    with GmtSession(way) as session:
        application = session.open_application(device.profile.application)
        session.verify_pin(application, user_pin(device.profile, "ready"))
        assert device.inspect()[0].user_pin.verified
    assert not interface.is_open
    assert not device.inspect()[0].user_pin.verified
    assert device.powered
    function.stop()
    device.close()


def test_who_leaves_is_logged_out(host: Host) -> None:
    with host.session:
        host.log_in()
    assert not host.is_logged_in
    assert not host.way.is_open


@pytest.mark.limits(pin__user__cache="until-removal")
def test_also_where_the_key_would_remember_until_removal(host: Host) -> None:
    host.log_in()
    with pytest.raises(NotFoundError), host.session:
        host.session.open_application("NO SUCH")
    assert not host.is_logged_in


def test_a_pin_typed_on_the_key_is_a_login_too(host: Host) -> None:
    with GmtSession(Keypad(host.device)) as session:
        session.verify_pin_on_keypad(session.open_application(host.device.profile.application))
        assert host.is_logged_in
    assert not host.is_logged_in


def test_every_login_ends(host: Host, profile: Profile) -> None:
    application = host.log_in()
    host.session.verify_pin(application, profile.pin.admin.initial, PinType.ADMIN)
    host.session.close()
    assert not host.is_logged_in
    assert not host.device.inspect()[0].admin_pin.verified


def test_who_proved_to_be_the_issuer_is_so_no_longer(host: Host, profile: Profile) -> None:
    host.session.authenticate_device(profile.device_auth_key)
    host.session.set_label("mine")
    host.session.close()
    with pytest.raises(NotLoggedInError):
        GmtSession(host.way).set_label("still mine")


def test_who_unlocked_nothing_sends_nothing(host: Host) -> None:
    host.session.close()
    assert host.way.sent == []


def test_closed_twice_it_logs_out_once(host: Host) -> None:
    host.log_in()
    host.session.close()
    host.session.close()
    assert host.way.sent.count(CLEAR_SECURE_STATE) == 1


def test_who_got_no_answer_resets_the_key(host: Host) -> None:
    """Whatever the command did: over PC/SC it is done when Ctrl-C is heard."""
    application = host.session.open_application(host.device.profile.application)
    GmtSession(host.way).verify_pin(application, host.pin)
    host.way.is_cut = True
    with pytest.raises(PowerLostError), host.session:
        host.session.device_info()
    assert host.way.sent[-1] == Ins.GET_DEV_INFO
    assert not host.is_logged_in
    assert not host.way.is_open


def test_a_key_that_goes_meanwhile_is_let_go(host: Host) -> None:
    host.log_in()
    host.way.is_cut = True
    host.session.close()
    assert not host.way.is_open


def test_handles_that_died_before_are_passed_over(host: Host) -> None:
    for _ in range(5):
        application = host.log_in()
        host.session.close_application(application)
        with pytest.raises(NotFoundError):
            host.session.clear_secure_state(application)
    host.log_in()
    host.session.close()
    assert not host.is_logged_in


def test_a_way_that_takes_the_power_away_needs_no_words(device: Device) -> None:
    apdus: list[bytes] = []
    device.power_on()
    device.on_apdu(lambda apdu, _: apdus.append(apdu))
    with GmtSession(InProcessLink(device)) as session:
        session.verify_pin(
            session.open_application(device.profile.application), user_pin(device.profile, "ready")
        )
    assert CLEAR_SECURE_STATE not in [apdu[1] for apdu in apdus]
    assert not device.inspect()[0].user_pin.verified


def test_nobody_is_kept_waiting_by_another_threads_command(host: Host) -> None:
    application = host.log_in()
    container = host.session.open_container(application, "SM2-SIGN")
    asked = threading.Event()
    host.device.on_screen(lambda screen: asked.set() if screen.kind is ScreenKind.CONFIRM else None)
    with ThreadPoolExecutor(1) as other:
        signing = other.submit(host.session.sign_sm2, container, TRANSFER, SignInput.MESSAGE)
        assert asked.wait(PATIENCE_S)
        host.session.close()
        assert CLEAR_SECURE_STATE not in host.way.sent
        assert not signing.done()
        host.device.press("cancel")
        assert isinstance(signing.exception(PATIENCE_S), CancelledError)


def test_a_silent_key_on_hid_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        interrupt_in = interrupt_out = 1

        def write(self, endpoint: int, data: bytes) -> None:
            pass

        def read(self, endpoint: int, buffer: object, milliseconds: int) -> int:
            raise UsbSilenceError(N_("the key does not answer on USB; plug it in again"))

    monkeypatch.setattr(usb_hid, "_FAREWELL_S", 0.0)
    way = HidTransport(None, Silent(), "usb:1209:0001")  # type: ignore[arg-type]
    with pytest.raises(UsbSilenceError):
        way.last_words(bytes.fromhex("80040000000000"))
