"""`--link`: what can be said, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.device import Device
from emulator.links.errors import LinkError
from emulator.profiles import load_profile
from emulator.running import LinkSpec, Opened, RunningKey, parse_link
from tests.rig.key import changed


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("socket", LinkSpec("socket")),
        ("vpcd", LinkSpec("vpcd", "127.0.0.1", 35963)),
        ("vpcd:10.0.0.1:35970", LinkSpec("vpcd", "10.0.0.1", 35970)),
        ("vpcd:[::1]:35970", LinkSpec("vpcd", "::1", 35970)),
        ("usbip", LinkSpec("usbip", "127.0.0.1", 0)),
        ("usbip:3241", LinkSpec("usbip", "127.0.0.1", 3241)),
        ("usbip:0.0.0.0:65535", LinkSpec("usbip", "0.0.0.0", 65535)),
        ("usbip:[::]:3240", LinkSpec("usbip", "::", 3240)),
        ("vhci", LinkSpec("vhci")),
        ("gadget", LinkSpec("gadget")),
        ("gadget:dummy_udc.0", LinkSpec("gadget", controller="dummy_udc.0")),
        ("serial", LinkSpec("serial")),
        ("serial:/dev/rfcomm0", LinkSpec("serial", path=Path("/dev/rfcomm0"))),
    ],
)
def test_links(text: str, spec: LinkSpec) -> None:
    assert parse_link(text) == spec


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "usb", "socket:/tmp/x", "vhci:0", "vpcd:35963", "vpcd::35963", "vpcd:host:65535", "vpcd:host:0",
        "usbip:0", "usbip:65536", "usbip:host", "usbip:host:", "usbip:-1", "usbip:host:٣", "vpcd:host:x",
    ],
)  # fmt: skip
def test_what_is_no_link(text: str) -> None:
    with pytest.raises(LinkError, match=r"--link .*: expected"):
        parse_link(text)


@pytest.mark.parametrize(
    "text",
    [
        "socket", "vpcd:127.0.0.1:35963", "usbip:127.0.0.1:3240", "vhci", "gadget", "gadget:dummy_udc.0",
        "serial", "serial:/dev/ttyUSB0",
    ],
)  # fmt: skip
def test_a_link_is_named_as_it_was_typed(text: str) -> None:
    assert str(parse_link(text)) == text


@pytest.mark.parametrize(
    ("links", "interfaces", "name"),
    [
        (["socket", "vhci"], ["hid"], "socket:5212345678"),
        (["vhci"], ["hid"], "usb:1209:0001:5212345678"),
        (["usbip", "vhci"], ["disk", "hid"], "usb:1209:0001:5212345678"),
        (["vhci"], ["ccid"], None),  # pcscd may have it, and then it is not to be had on USB
        (["vhci"], ["disk", "ccid"], None),
        (["usbip"], ["hid"], None),  # nobody knows which computer it is plugged into
        (["gadget"], ["hid"], None),
        (["vpcd"], ["ccid"], None),
        (["vhci", "serial"], ["hid"], "serial:/run/user/vukey/vukey/5212345678.tty"),
        (["socket", "serial"], ["hid"], "socket:5212345678"),
        (["serial:/dev/ttyUSB0"], ["hid"], None),  # the host is at the cable's other end
    ],
)
def test_what_the_host_calls_the_key(
    links: list[str], interfaces: list[str], name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/vukey")
    profile = changed(load_profile("bocom-2g-tendyron"), usb__interfaces=tuple(interfaces))
    device = Device(profile, "5212345678")
    specs = [parse_link(link) for link in links]
    running = RunningKey(Opened(device, profile.id), specs, lambda *_: None)
    assert running.host_token == name
    device.close()
