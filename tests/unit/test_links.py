"""`--link`: what can be said, and what is refused."""

from __future__ import annotations

import pytest

from emulator.links.errors import LinkError
from emulator.running import LinkSpec, parse_link


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
    "text", ["socket", "vpcd:127.0.0.1:35963", "usbip:127.0.0.1:3240", "vhci", "gadget", "gadget:dummy_udc.0"]
)
def test_a_link_is_named_as_it_was_typed(text: str) -> None:
    assert str(parse_link(text)) == text
