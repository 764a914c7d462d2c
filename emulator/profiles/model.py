"""What a device model is: maker, numbers, screen, keys, PIN rules and the bank's choices, all of it data.

`Annotated` carries the limits of a single value; what several values owe each other is in `checks`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal, NamedTuple

from emulator.profiles.errors import BAD_SERIAL, ProfileError


class Range(NamedTuple):
    """The limits of an integer, both included."""

    low: int
    high: int


class Text(NamedTuple):
    """The limits of a text or of bytes: how many, and whether only printable ASCII will do."""

    low: int
    high: int
    ascii: bool = True


Tries = Annotated[int, Range(1, 15)]  # the status word 63Cx has one nibble for what is left
InitialPin = Annotated[str, Text(1, 16)]  # CreateApplication carries 16 bytes
PinLength = Annotated[int, Range(1, 30)]
Days = Annotated[int, Range(0, 3650)]
Charset = Literal["utf-8", "gb2312", "gbk", "gb18030"]


@dataclass(frozen=True, slots=True)
class Usb:
    """How the key looks on USB: its numbers and what carries the APDUs (E15).

    `interfaces`: "ccid", "hid" (reports) or "disk" (vendor commands to a CD-ROM); several make it a composite device.
    `max_message`: dwMaxCCIDMessageLength in bytes; longer messages go in chained pieces (CCID 1.1, 6.1.4).
    """

    vid: Annotated[int, Range(1, 0xFFFF)]
    pid: Annotated[int, Range(0, 0xFFFF)]
    interfaces: tuple[Literal["ccid", "hid", "disk"], ...]
    max_message: Annotated[int, Range(271, 65554)]


@dataclass(frozen=True, slots=True)
class Bluetooth:
    """How the key looks by Bluetooth Low Energy.

    `gatt`: its service, by the name it has in `protocols.ble.GATT_PROFILES`.
    `name_prefix`: comes before the serial number in the local name, which has 29 bytes in an advertisement.
    """

    gatt: Annotated[str, Text(1, 32)]
    name_prefix: Annotated[str, Text(1, 13)]


@dataclass(frozen=True, slots=True)
class DisplaySpec:
    """The screen: its size in pixels, what it can draw (E12), and the bank's name on it when idle (E10)."""

    type: Literal["lcd", "oled"]
    width: Annotated[int, Range(32, 1024)]
    height: Annotated[int, Range(32, 1024)]
    charset: Literal["gb2312", "gbk", "gb18030"]
    language: Literal["zh", "en"]
    idle: Annotated[str, Text(1, 32, ascii=False)]


@dataclass(frozen=True, slots=True)
class UserPin:
    """The user PIN's rules (B2, C5, C6, C7, E3, E5, E6, E8).

    `weak` = "refuse": the key refuses a new PIN that is all equal or a run.
    `extra_press_at`: with that many tries left or fewer a press comes before the next try; 0 = never.
    """

    min: PinLength
    max: PinLength
    tries: Tries
    initial: InitialPin
    must_change: bool
    cache: Literal["per-sign", "session", "until-removal"]
    weak: Literal["accept", "refuse"]
    extra_press_at: Annotated[int, Range(0, 15)]


@dataclass(frozen=True, slots=True)
class AdminPin:
    """The administrator PIN, which unblocks the user's."""

    tries: Tries
    initial: InitialPin


@dataclass(frozen=True, slots=True)
class Pin:
    """Both PINs of the bank's application."""

    user: UserPin
    admin: AdminPin


@dataclass(frozen=True, slots=True)
class RsaContainer:
    """Name and key length (bits) of the container that personalisation makes for RSA."""

    name: Annotated[str, Text(1, 64)]
    bits: Literal[1024, 2048]


@dataclass(frozen=True, slots=True)
class Sm2Container:
    """Name of the container that personalisation makes for SM2."""

    name: Annotated[str, Text(1, 64)]


@dataclass(frozen=True, slots=True)
class Containers:
    """The containers of an issued key; None: this model has no such key."""

    rsa: RsaContainer | None
    sm2: Sm2Container | None


@dataclass(frozen=True, slots=True)
class ActivationCode:
    """The certificate's activation code: digits, and wrong entries before it is used up (A5)."""

    length: Annotated[int, Range(4, 16)]
    tries: Tries


@dataclass(frozen=True, slots=True)
class Confirm:
    """How the key asks (E1, E10): wait in seconds, dead time of OK in milliseconds, number of presses.

    `presses` = 0 is the first generation: it signs at once and a light blinks.
    """

    timeout_s: Annotated[int, Range(1, 600)]
    must_page_to_end: bool
    ok_dead_ms: Annotated[int, Range(0, 10_000)]
    presses: Annotated[int, Range(0, 2)]


@dataclass(frozen=True, slots=True)
class Renewal:
    """When the bank renews a certificate, in days around its expiry, and whether online (A8, B4, C4)."""

    opens_days_before: Days
    closes_days_after: Days
    online: bool


@dataclass(frozen=True, slots=True)
class Profile:
    """One device model. `sources` says of every value, by dotted path, where it comes from.

    A source is one or more fact ids of docs/facts.md ("C5, C2"), "standard", or "assumed".
    """

    id: str
    title: Annotated[str, Text(1, 100)]
    title_zh: Annotated[str, Text(1, 100, ascii=False)]
    maker: Annotated[str, Text(1, 64)]
    issuer: Annotated[str, Text(1, 64)]
    kind: Literal["display-2g", "smart", "bluetooth", "direct", "first-gen"]
    serial_pattern: Annotated[str, Text(1, 200)]
    serial_template: Annotated[str, Text(1, 32)]
    atr: Annotated[bytes, Text(2, 33, ascii=False)]
    usb: Usb
    bluetooth: Bluetooth | None
    display: DisplaySpec | None
    buttons: tuple[Literal["ok", "cancel", "up", "down", "power"], ...]
    keypad: bool
    auto_off_s: Annotated[int, Range(0, 86_400)]
    pin: Pin
    ready_user_pin: Annotated[str, Text(1, 30)]
    device_auth_key: Annotated[bytes, Text(16, 16, ascii=False)]
    application: Annotated[str, Text(1, 32)]
    containers: Containers
    max_containers: Annotated[int, Range(1, 255)]
    max_files: Annotated[int, Range(0, 1024)]
    ciphers: tuple[Literal["sm4", "aes"], ...]
    activation: Literal["keypad", "bank", "host"]
    activation_code: ActivationCode
    ready_digest: Literal["confirm", "refuse", "free"]
    plain_message: Literal["refuse", "show-as-text"]
    ccb_charset: Charset
    confirm: Confirm
    dialect: Annotated[str, Text(1, 32)]
    max_apdu_data: Annotated[int, Range(256, 0xFFFF)]
    renewal: Renewal
    sources: Mapping[str, str] = field(hash=False)

    @property
    def max_certificates(self) -> int:
        """Of an application: a signature and an encryption certificate in each container; one byte counts them."""
        return min(2 * self.max_containers, 0xFF)

    def check_serial(self, serial: str) -> None:
        """Hold a serial number against the maker's scheme (A2, B1, C3).

        :raises ProfileError: it does not fit.
        """
        if not re.fullmatch(self.serial_pattern, serial, re.ASCII):
            raise ProfileError(BAD_SERIAL, serial=serial, profile=self.id, pattern=self.serial_pattern)

    def new_serial(self, random: bytes) -> str:
        """A serial number of the maker's scheme, its free digits drawn from `random` (16 bytes will do)."""
        count = self.serial_template.count("#")
        digits = iter(f"{int.from_bytes(random, 'big'):0{count}d}"[-count:])
        return "".join(next(digits) if mark == "#" else mark for mark in self.serial_template)

    def as_json(self) -> dict[str, Any]:
        """The profile as `vukey profiles --json` prints it (docs/json.md): a contract, key for key."""
        return {
            **_pick(self, "id", "title", "maker", "kind", "serial_pattern"),
            "atr": self.atr.hex(),
            "usb": asdict(self.usb),
            "display": _pick(self.display, "type", "width", "height") if self.display else None,
            "buttons": list(self.buttons),
            "keypad": self.keypad,
            "pin": {
                "user": _pick(self.pin.user, "min", "max", "tries", "initial", "must_change", "cache"),
                "admin": asdict(self.pin.admin),
            },
            "ready_user_pin": self.ready_user_pin,
            "device_auth_key": self.device_auth_key.hex(),
            "application": self.application,
            "containers": asdict(self.containers),
            "max_files": self.max_files,
            "ciphers": list(self.ciphers),
            **_pick(self, "activation", "ready_digest", "plain_message"),
            "confirm": asdict(self.confirm),
            "dialect": self.dialect,
            "renewal": asdict(self.renewal),
            "sources": dict(self.sources),
        }


def _pick(owner: object, *names: str) -> dict[str, Any]:
    return {name: getattr(owner, name) for name in names}
