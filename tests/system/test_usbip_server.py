"""`--link usbip` over TCP: who may have the key, what a vanished host leaves behind, and the lines a person sees."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from emulator.device import Device
from emulator.links.errors import LinkError
from emulator.links.states import LinkState
from emulator.links.usb.key import UsbKey
from emulator.links.usb.usbip import UsbIpLink
from emulator.sharing import SharedKey
from hostdriver.gmt import GmtSession
from protocols.apdu import Command, encode_command
from protocols.gmt import Ins, SignInput
from tests.rig.cli import VUKEY, Up, environment, run_directory, vukey
from tests.rig.messages import TRANSFER
from tests.rig.patience import PATIENCE_S
from tests.rig.usbip_host import (
    CcidOverUsbIp,
    ImportRefusedError,
    UsbIpHost,
    ask_for_import,
    ask_for_list,
)

BUSY, NO_DEVICE = "2", "4"
"""ST_DEV_BUSY and ST_NODEV of Linux's usbip_common.h."""
GET_CHALLENGE = bytes.fromhex("8050000008")
NOTHING_EXPORTED = bytes.fromhex("0111 0005 00000000 00000000")


class States:
    """What a link told of itself."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.heard: list[LinkState] = []

    def __call__(self, state: LinkState) -> None:
        with self._changed:
            self.heard.append(state)
            self._changed.notify_all()

    def wait_for(self, state: LinkState) -> None:
        """Until it is in that state."""
        with self._changed:
            assert self._changed.wait_for(lambda: state in self.heard[-1:], PATIENCE_S), self.heard


@pytest.fixture
def states() -> States:
    return States()


@pytest.fixture
def link(device: Device, states: States) -> Iterator[UsbIpLink]:
    link = UsbIpLink(UsbKey(SharedKey(device)), on_state=states)
    link.start()
    yield link
    link.close()


@pytest.fixture
def address(link: UsbIpLink) -> tuple[str, int]:
    return ("127.0.0.1", link.port)


def imported(address: tuple[str, int]) -> UsbIpHost:
    """A host that has the key."""
    return UsbIpHost(ask_for_import(address))


def test_a_list_names_the_key(address: tuple[str, int], device: Device) -> None:
    reply = ask_for_list(address)
    assert reply[:12] == bytes.fromhex("0111 0005 00000000 00000001")
    assert reply[0x10C:0x110] == b"1-1\0"
    usb = device.profile.usb
    assert reply[0x138:0x13C] == usb.vid.to_bytes(2) + usb.pid.to_bytes(2)
    assert reply[0x144:] == bytes.fromhex("0b000000")


def test_one_host_at_a_time_has_the_key(address: tuple[str, int], states: States) -> None:
    with imported(address) as host:
        with pytest.raises(ImportRefusedError, match=BUSY):
            ask_for_import(address)
        assert ask_for_list(address) == NOTHING_EXPORTED
        host.configure()
        states.wait_for(LinkState.CONFIGURED)
        atr = CcidOverUsbIp(host).reset()
    states.wait_for(LinkState.LISTENING)
    with imported(address) as host:
        host.configure()
        assert CcidOverUsbIp(host).reset() == atr


def test_a_device_of_another_name_is_not_here(address: tuple[str, int]) -> None:
    for name in (b"1-2", b"\xff" * 32, b""):
        with pytest.raises(ImportRefusedError, match=NO_DEVICE):
            ask_for_import(address, name)


def test_imported_again_the_key_has_forgotten_the_login(
    address: tuple[str, int], states: States, device: Device
) -> None:
    """E8, E11: a host that goes leaves nothing to the next one."""
    with imported(address) as host:
        host.configure()
        sign, _ = signing(host, device)
    states.wait_for(LinkState.LISTENING)
    with imported(address) as host:
        host.configure()
        ccid = CcidOverUsbIp(host)
        ccid.reset()
        assert ccid.exchange(sign)[-2:] != b"\x90\x00"
        assert device.waiting is None


def signing(host: UsbIpHost, device: Device) -> tuple[bytes, CcidOverUsbIp]:
    """A signature's APDU, after login."""
    ccid = CcidOverUsbIp(host)
    ccid.reset()
    session = GmtSession(ccid)
    application = session.open_application(device.profile.application)
    session.verify_pin(application, device.profile.ready_user_pin)
    data = session.open_container(application, "SM2-SIGN").handles + TRANSFER
    return encode_command(Command(0x80, Ins.ECC_SIGN_DATA, SignInput.MESSAGE, 0, data, 68)), ccid


@pytest.mark.limits(pin__user__cache="session")
def test_a_host_that_vanishes_ends_what_the_key_asks(
    address: tuple[str, int], states: States, device: Device
) -> None:
    with imported(address) as host:
        host.configure()
        sign, ccid = signing(host, device)
        ccid.begin(0x6F, sign)
        host.submit(0x81, room=65_554)
        assert host.answer().data[7:9] == b"\x80\x01"  # it asks for time (CCID 1.1, 6.2.6)
        assert device.waiting
    states.wait_for(LinkState.LISTENING)
    assert device.waiting is None


def test_closing_the_link_is_pulling_the_key_out(device: Device) -> None:
    link = UsbIpLink(UsbKey(SharedKey(device)), port=free_port())  # no other test's key takes it at once
    link.start()
    address = ("127.0.0.1", link.port)
    with imported(address) as host:
        host.configure()
        link.close()
        assert host.connection.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        ask_for_list(address)


def test_clients_that_speak_something_else_are_sent_away(address: tuple[str, int]) -> None:
    for sent in (b"GET / HTTP/1.1\r\n\r\n", bytes(8), bytes.fromhex("0200 8005 00000000")):
        with socket.create_connection(address, PATIENCE_S) as client:
            client.sendall(sent)
            with suppress(ConnectionResetError):  # where it was ended before all was read
                assert client.recv(1) == b""
    assert ask_for_list(address)[8:12] == bytes.fromhex("00000001")


def test_silent_clients_are_bounded_and_keep_nobody_out_for_ever(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emulator.links.usb.usbip._PATIENCE_S", 0.1)
    silent = [socket.create_connection(address, PATIENCE_S) for _ in range(40)]
    assert [client.recv(1) for client in silent] == [b""] * 40
    for client in silent:
        client.close()
    assert ask_for_list(address)[8:12] == bytes.fromhex("00000001")


def test_a_client_that_trickles_keeps_nobody_out_for_ever(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time is for all that it says: a byte now and then buys no more."""
    monkeypatch.setattr("emulator.links.usb.usbip._PATIENCE_S", 0.2)
    question = bytes.fromhex("0111 8003 00000000") + b"1-1".ljust(32, b"\0")
    with socket.create_connection(address) as client:
        client.settimeout(0.1)
        for byte in question:
            try:
                client.sendall(bytes((byte,)))
                assert client.recv(1) == b""
            except TimeoutError:
                continue
            except ConnectionError:  # ended before all was read
                pass
            break
        else:
            pytest.fail("it was heard out")
    assert ask_for_list(address)[8:12] == bytes.fromhex("00000001")


def test_each_key_takes_the_next_free_port(device: Device, link: UsbIpLink) -> None:
    second = UsbIpLink(UsbKey(SharedKey(device)))
    second.start()
    assert {link.port, second.port} <= set(range(3240, 3272))
    assert link.port != second.port
    second.close()


def test_a_port_that_is_taken(device: Device, link: UsbIpLink) -> None:
    with pytest.raises(LinkError, match=f"USB/IP cannot listen at 127.0.0.1:{link.port}"):
        UsbIpLink(UsbKey(SharedKey(device)), port=link.port).start()


def test_ipv6(device: Device) -> None:
    link = UsbIpLink(UsbKey(SharedKey(device)), host="::1")
    link.start()
    assert ask_for_list(("::1", link.port))[8:12] == bytes.fromhex("00000001")
    link.close()


class TestCommandLine:
    @pytest.fixture
    def run(self) -> Iterator[Path]:
        with run_directory() as directory:
            yield directory

    def test_ready_says_where_and_the_line_what_to_type(self, run: Path) -> None:
        with Up(run, "--link", "usbip", "--link", "socket", "--stage", "blank") as key:
            (where,) = (link for link in key.facts["links"] if link.startswith("usbip"))
            kind, host, port = where.split(":")
            assert (kind, host) == ("usbip", "127.0.0.1")
            option = "" if port == "3240" else f"--tcp-port {port} "
            line = key.err.wait_for("usbip: plug it in with:")
            assert f"sudo usbip {option}attach -r 127.0.0.1 -b 1-1" in line
            with imported((host, int(port))) as usbip:
                usbip.configure()
                key.err.wait_for("usbip: plugged into a computer")
            assert key.stop() == 0

    def test_pulled_out_and_plugged_in_again_it_is_at_the_same_port(self, run: Path) -> None:
        address = ("127.0.0.1", free_port())
        with Up(run, "--link", f"usbip:{address[1]}", "--panel", "--stage", "blank") as key:
            assert vukey("key", "unplug", run=run).returncode == 0
            with pytest.raises(ConnectionRefusedError):
                ask_for_list(address)
            assert vukey("key", "plug", run=run).returncode == 0
            assert ask_for_list(address)[8:12] == bytes.fromhex("00000001")
            assert key.stop() == 0

    def test_an_address_that_others_reach_is_warned_of(self, run: Path) -> None:
        with Up(run, "--link", "usbip:0.0.0.0:0", ready=False) as key:
            assert key.wait() == 2
        with Up(run, "--link", f"usbip:0.0.0.0:{free_port()}", "--stage", "blank") as key:
            assert "0.0.0.0" in key.err.wait_for("without a password")
            assert socket.gethostname() in key.err.wait_for("attach -r")
            assert key.stop() == 0

    def test_without_usb_nothing_of_usb_is_loaded(self, run: Path) -> None:
        """`construct` is an extra: a key without USB does without it."""
        command = (sys.executable, "-X", "importtime", *VUKEY[1:], "up", "--link", "socket", "--", "true")
        done = subprocess.run(
            command, env=environment(run), capture_output=True, text=True, timeout=PATIENCE_S
        )
        assert done.returncode == 0, done.stderr
        assert " emulator.running" in done.stderr
        assert " construct" not in done.stderr


def free_port() -> int:
    """A port that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
