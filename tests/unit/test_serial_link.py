"""The key on a serial line, over real pseudo-terminals: what a host sends well, badly or not to the end."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from emulator.device import Device
from emulator.exchange import Exchange
from emulator.hardware.clock import ManualClock
from emulator.links.errors import LinkError
from emulator.links.serial import Pty, SerialLink, SerialPort
from emulator.links.states import LinkState
from emulator.profiles import load_profile
from emulator.sharing import SharedKey
from hostdriver.errors import (
    CancelledError,
    KeyBusyError,
    KeyRemovedError,
    NotLoggedInError,
    TransmissionError,
)
from hostdriver.gmt import Container, GmtSession
from hostdriver.transport.serial import SerialTransport
from protocols.ble import HostEnd, HostEvent, KeepAlive, enclose
from protocols.errors import MissingPackageError
from protocols.gmt import SignInput
from protocols.sm2 import Signature
from tests.rig.key import KeyRig, stored, user_pin
from tests.rig.messages import TRANSFER
from tests.rig.patience import PATIENCE_S
from tests.rig.serial_line import Cable, RawHost
from vukey_testing.serial_targets import SerialLine
from vukey_testing.targets import UnixSocket

PING, ECHO = "81 0001 AB", "810001ab"
CANCEL = "BE 0000"
GET_DEV_INFO = "83 000A 12 0007 80040000000000"
"""MESSAGE, its length, the envelope (tag 12, length), the APDU."""
PROFILE = load_profile("bocom-2g-tendyron")
SM2 = "SM2-SIGN"


@pytest.fixture
def rig() -> Iterator[KeyRig]:
    clock = ManualClock()
    device = Device(PROFILE, storage=stored(PROFILE, "ready"), clock=clock)
    rig = KeyRig(device, clock, SerialLine, user_pin(PROFILE, "ready"))
    yield rig
    rig.close()


@pytest.fixture
def host(rig: KeyRig) -> Iterator[RawHost]:
    """A host that knows nothing but bytes, in place of ours."""
    rig.session.transport.close()
    with RawHost(path_of(rig)) as host:
        yield host


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[Cable]:
    cable = Cable(tmp_path)
    yield cable
    cable.pull_out()


def path_of(rig: KeyRig) -> Path:
    assert isinstance(rig.wire, SerialLine)
    assert rig.wire.path
    return rig.wire.path


def device_info(answer: str) -> bool:
    """Whether it is a MESSAGE whose envelope holds the 288 bytes of DeviceInfo and 9000."""
    return answer.startswith("830125120122") and answer.endswith("9000")


# What comes in


def test_a_ping_and_a_command(host: RawHost) -> None:
    host.send(PING)
    assert host.receive() == ECHO
    host.send(GET_DEV_INFO)
    assert device_info(host.receive())


def test_a_command_in_several_fragments_and_in_single_bytes(host: RawHost) -> None:
    host.send("83 000A 12 0007", "00 8004", "01 0000000000")
    assert device_info(host.receive())
    for byte in enclose(bytes.fromhex(GET_DEV_INFO)):
        host.write(bytes((byte,)))
    assert device_info(host.receive())


@pytest.mark.parametrize(
    ("fragments", "error"),
    [
        (["84 0000"], 1),
        (["83 0003 AB 0000"], 2),
        (["83 0003 12 0000"], 2),
        (["83 0001 12 00"], 3),
        (["83"], 3),
        (["83 000A 12", "01 00"], 4),
    ],
    ids=["no-command", "no-envelope", "no-apdu", "too-long", "too-short", "wrong-sequence"],
)
def test_a_bad_fragment_gets_its_error_and_the_next_works(
    host: RawHost, fragments: list[str], error: int
) -> None:
    """CTAP 2.1, 11.4.4: BF, length 1, the error."""
    host.send(*fragments)
    assert host.receive() == f"bf0001{error:02x}"
    host.send(PING)
    assert host.receive() == ECHO


def test_a_changed_bit_gets_an_error_and_the_next_works(host: RawHost) -> None:
    sound = enclose(bytes.fromhex(GET_DEV_INFO))
    host.write(sound[:7] + bytes((sound[7] ^ 0x10,)) + sound[8:])
    assert host.receive() == "bf000103"
    host.send(GET_DEV_INFO)
    assert device_info(host.receive())


def test_a_cut_frame_times_out_and_the_next_works(host: RawHost) -> None:
    host.write(enclose(bytes.fromhex(GET_DEV_INFO))[:6])
    assert host.receive() == "bf000105"
    host.send(PING)
    assert host.receive() == ECHO


def test_the_rest_of_a_frame_that_never_comes(host: RawHost) -> None:
    host.send("83 000A 12 0007 8004")
    assert host.receive() == "bf000105"
    host.send(GET_DEV_INFO)
    assert device_info(host.receive())


def test_noise_between_frames_costs_nothing(host: RawHost) -> None:
    """What an idle line catches up begins with no command; a flag ends it."""
    for noise in (b"\x00", b"\x7d", b"\x7e\x7e\x7e", bytes(300), b"\x11\x13", b"\x03\x04\x1a\x1c"):
        host.write(noise)
        host.send(PING)
        assert host.receive() == ECHO


def test_no_noise_ends_the_link(host: RawHost) -> None:
    """Of whatever bytes: after the next CANCEL and PING everything is as before."""
    drained = threading.Thread(target=drain_until, args=(host, "810004cafebabe"), daemon=True)
    drained.start()
    for _ in range(20):
        host.write(os.urandom(5000))
    host.write(b"\x7e")
    host.send(CANCEL, "81 0004 CAFEBABE")
    drained.join(PATIENCE_S)
    assert not drained.is_alive()
    host.send(GET_DEV_INFO)
    assert device_info(host.receive())


def drain_until(host: RawHost, last: str) -> None:
    while host.receive() != last:
        continue


def test_a_host_that_does_not_read_is_not_read_from(host: RawHost) -> None:
    """What waits for it is bounded; once it reads, nothing is missing."""
    ping = enclose(bytes.fromhex("81 8000") + bytes(0x8000))
    sent = pour(host, ping * 100)
    assert sent < len(ping) * 100
    for _ in range(sent // len(ping)):
        assert host.receive() == "818000" + "00" * 0x8000


def pour(host: RawHost, data: bytes) -> int:
    """How many bytes the line takes before it stands still for as long as the key needs to read gigabytes."""
    os.set_blocking(host.descriptor, False)
    sent = 0
    while sent < len(data) and select.select([], [host.descriptor], [], 1.0)[1]:
        sent += os.write(host.descriptor, data[sent:])
    os.set_blocking(host.descriptor, True)
    return sent


# The time in between


def test_while_a_person_decides_the_key_says_so(rig: KeyRig, monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = heard_by(rig, monkeypatch)
    with rig.pending(rig.session.sign_sm2, logged_in(rig), TRANSFER, SignInput.MESSAGE):
        assert statuses.wait_for(2)
        rig.page_and_press_ok()


def test_while_the_card_computes_the_key_says_so(rig: KeyRig, monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = heard_by(rig, monkeypatch)
    with rig.device.lock:  # as a command has it that makes an RSA pair
        call = threading.Thread(target=rig.session.device_info)
        call.start()
        assert statuses.wait_for(1)
    call.join(PATIENCE_S)
    assert not call.is_alive()


class Statuses:
    """The keep-alive statuses that a host has heard."""

    def __init__(self) -> None:
        self._heard: set[int] = set()
        self._changed = threading.Condition()

    def hear(self, status: int) -> None:
        with self._changed:
            self._heard.add(status)
            self._changed.notify_all()

    def wait_for(self, status: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._heard == {status}, PATIENCE_S)


def heard_by(rig: KeyRig, monkeypatch: pytest.MonkeyPatch) -> Statuses:
    statuses, feed = Statuses(), HostEnd.feed

    def listen(end: HostEnd, fragment: bytes) -> HostEvent | None:
        event = feed(end, fragment)
        if isinstance(event, KeepAlive):
            statuses.hear(event.status)
        return event

    monkeypatch.setattr(HostEnd, "feed", listen)
    return statuses


def test_another_command_meanwhile_is_answered_busy(rig: KeyRig) -> None:
    answer = signing(rig)
    with RawHost(path_of(rig)) as intruder:  # nothing but our own pyserial keeps it out
        intruder.send(PING)
        with pytest.raises(KeyBusyError):
            answer.result(PATIENCE_S)
    assert rig.asks
    assert rig.session.device_info().serial == rig.device.serial
    assert not rig.asks


def test_cancel_ends_the_wait_and_the_login(rig: KeyRig) -> None:
    answer = signing(rig)
    rig.session.transport.reset()
    with pytest.raises(CancelledError):
        answer.result(PATIENCE_S)
    assert not may_sign(rig.session, rig)
    assert not rig.asks


def signing(rig: KeyRig) -> Future[Signature]:
    """A signature that the key asks its person about."""
    answer = rig.start(rig.session.sign_sm2, logged_in(rig), TRANSFER, SignInput.MESSAGE)
    assert rig.asks
    return answer


def test_a_command_that_fails_within_the_key_ends_and_the_link_goes_on(
    rig: KeyRig, host: RawHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(user: object, apdu: bytes) -> Exchange:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(rig.shared, "begin", begin)
        host.send(GET_DEV_INFO)
        assert host.receive() == "bf00017f"
    host.send(GET_DEV_INFO)
    assert device_info(host.receive())


def test_an_answer_that_no_frame_holds(rig: KeyRig, host: RawHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """No card of ours gives one: 65,536 bytes and a status word are ISO/IEC 7816-4's limit."""
    with monkeypatch.context() as patched:
        patched.setattr(rig.shared, "begin", lambda user, apdu: Exchange(rig.device, bytes(65538)))
        host.send(GET_DEV_INFO)
        assert host.receive() == "bf000103"
    host.send(GET_DEV_INFO)
    assert device_info(host.receive())


def test_another_users_unplugging_ends_the_command(rig: KeyRig) -> None:
    """The power goes while a person is asked, and the line stays."""
    answer = signing(rig)
    rig.device.power_off()
    with pytest.raises(TransmissionError, match="OTHER"):
        answer.result(PATIENCE_S)
    assert rig.session.device_info().serial == rig.device.serial


def logged_in(rig: KeyRig) -> Container:
    rig.log_in()
    return rig.container()


def may_sign(session: GmtSession, rig: KeyRig) -> bool:
    """Whether the key still knows a PIN from before: it would ask the person."""
    application = session.open_application(rig.profile.application)
    container = session.open_container(application, SM2)
    try:
        session.sign_sm2(container, b"1" * 32, SignInput.DIGEST)
    except NotLoggedInError:
        return False
    return True


# The host goes


def test_the_next_host_has_no_login(rig: KeyRig) -> None:
    logged_in(rig)
    transport = rig.session.transport
    assert isinstance(transport, SerialTransport)
    transport._port.close()  # without a word, as the kernel does for a process that is killed
    with GmtSession(rig.wire.open()) as session:
        assert not may_sign(session, rig)


def test_on_a_line_that_cannot_hang_up_the_next_host_has_no_login_either(rig: KeyRig, cable: Cable) -> None:
    rig.session.transport.close()
    link = SerialLink(rig.shared, SerialPort(cable.key))
    link.start()
    first = SerialTransport.open(str(cable.host))
    rig.session = GmtSession(first)
    answer = signing(rig)
    first._closed = True  # no farewell
    first._port.cancel_read()
    with pytest.raises(KeyRemovedError):
        answer.result(PATIENCE_S)
    first._port.close()
    assert rig.asks  # nobody could tell the key
    session = GmtSession(SerialTransport.open(str(cable.host)))
    assert not may_sign(session, rig)
    assert rig.device.waiting is None
    session.transport.close()
    link.close()


def test_a_thousand_hosts_come_and_go(rig: KeyRig) -> None:
    rig.session.transport.close()
    for _ in range(1000):
        with RawHost(path_of(rig)) as host:
            host.send(CANCEL, PING)
            assert host.receive() == ECHO


def test_one_host_at_a_time(rig: KeyRig) -> None:
    with pytest.raises(KeyBusyError):
        rig.wire.open()


# The key goes


def test_pulled_out_in_mid_command(rig: KeyRig) -> None:
    container = logged_in(rig)
    with rig.ending_in(KeyRemovedError, lambda: rig.session.sign_sm2(container, TRANSFER, SignInput.MESSAGE)):
        rig.pull_out()
    with pytest.raises(KeyRemovedError):
        rig.session.device_info()
    rig.plug_in()
    assert not may_sign(rig.session, rig)


# Ports of a machine


class States:
    """What a link has said of itself, in turn."""

    def __init__(self) -> None:
        self._said: list[LinkState] = []
        self._changed = threading.Condition()

    def __call__(self, state: LinkState) -> None:
        with self._changed:
            self._said.append(state)
            self._changed.notify_all()

    def wait_for(self, *states: LinkState) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._said == [*states], PATIENCE_S)


def test_a_port_that_goes_is_found_again(cable: Cable, tmp_path: Path) -> None:
    device, states = Device(PROFILE), States()
    link = SerialLink(SharedKey(device), SerialPort(cable.key), states)
    link.start()
    assert states.wait_for(LinkState.LISTENING)
    with GmtSession(SerialTransport.open(str(cable.host))) as session:
        assert session.device_info().serial == device.serial
        cable.pull_out()
        with pytest.raises(KeyRemovedError):
            session.device_info()
    assert states.wait_for(LinkState.LISTENING, LinkState.UNPLUGGED)
    assert not device.powered
    again = Cable(tmp_path)
    assert states.wait_for(LinkState.LISTENING, LinkState.UNPLUGGED, LinkState.LISTENING)
    with GmtSession(SerialTransport.open(str(again.host))) as session:
        assert session.device_info().serial == device.serial
    link.close()
    assert states.wait_for(LinkState.LISTENING, LinkState.UNPLUGGED, LinkState.LISTENING)
    again.pull_out()


def test_a_link_that_looks_for_its_port_can_be_closed(cable: Cable) -> None:
    states = States()
    link = SerialLink(SharedKey(Device(PROFILE)), SerialPort(cable.key), states)
    link.start()
    cable.pull_out()
    assert states.wait_for(LinkState.LISTENING, LinkState.UNPLUGGED)
    link.close()


def test_a_port_for_one_key(cable: Cable) -> None:
    link = SerialLink(SharedKey(Device(PROFILE)), SerialPort(cable.key))
    link.start()
    with pytest.raises(LinkError, match="cannot be had"):
        SerialLink(SharedKey(Device(PROFILE)), SerialPort(cable.key)).start()
    link.close()


def no_port(directory: Path) -> Path:
    return directory / "ttyS9"


def no_line(directory: Path) -> Path:
    path = directory / "file"
    path.touch()
    return path


@pytest.mark.parametrize("where", [no_port, no_line])
def test_what_is_no_port(where: Callable[[Path], Path], tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="cannot be had"):
        SerialLink(SharedKey(Device(PROFILE)), SerialPort(where(tmp_path))).start()


def test_a_name_that_is_taken_stays_as_it_is(tmp_path: Path) -> None:
    path = no_line(tmp_path)
    with pytest.raises(LinkError, match="File exists"):
        SerialLink(SharedKey(Device(PROFILE)), Pty(path)).start()
    assert path.is_file()
    assert not path.is_symlink()


def test_nobody_else_may_open_the_pseudo_terminal(rig: KeyRig) -> None:
    assert path_of(rig).stat().st_mode & 0o777 == 0o600


def test_its_name_goes_with_the_link(rig: KeyRig) -> None:
    path = path_of(rig)
    rig.pull_out()
    assert not path.is_symlink()


def test_without_pyserial(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(MissingPackageError, match=r"vukey\[serial\]"):
        SerialPort(tmp_path / "ttyS9")
    SerialLink(SharedKey(Device(PROFILE)), Pty(tmp_path / "key")).start()  # which takes no package


# Two links at once


def test_while_the_line_waits_for_a_person_the_socket_is_busy_and_the_other_way_round(rig: KeyRig) -> None:
    socket = UnixSocket(rig.shared)
    socket.plug()
    container = logged_in(rig)
    with rig.pending(rig.session.sign_sm2, container, TRANSFER, SignInput.MESSAGE):
        with pytest.raises(KeyBusyError):
            GmtSession(socket.open())
        rig.page_and_press_ok()
    rig.session.transport.close()
    other = GmtSession(socket.open())
    application = other.open_application(rig.profile.application)
    other.verify_pin(application, rig.user_pin)
    container = other.open_container(application, SM2)
    session = GmtSession(rig.wire.open())
    with rig.pending(other.sign_sm2, container, TRANSFER, SignInput.MESSAGE):
        with pytest.raises(KeyBusyError):
            session.device_info()
        rig.page_and_press_ok()
    session.transport.close()
    other.transport.close()
    socket.unplug()
