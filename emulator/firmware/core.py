"""What every applet works with: the key's memory, its secrets, its session and its face."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from emulator.firmware.catalogue import Application, Catalogue, Container
from emulator.firmware.device_key import DeviceKey
from emulator.firmware.screens import texts
from emulator.firmware.secure_element import SecureElement, initial_mark
from emulator.firmware.session import Session
from emulator.hardware.display import Geometry, Screen, ScreenKind
from emulator.hardware.entropy import Entropy
from emulator.hardware.storage import Storage, Transaction
from emulator.profiles import Profile
from protocols import sm2
from protocols.dialect import dialect_named
from protocols.fields import u32
from protocols.gmt import PinType

_NO_DISPLAY = Geometry(columns=16, rows=4)


class Core:
    """The firmware's common ground.

    :param show: puts a screen on the display.
    """

    def __init__(
        self,
        profile: Profile,
        serial: str,
        storage: Storage,
        entropy: Entropy,
        show: Callable[[Screen], None],
    ) -> None:
        self.profile = profile
        self.serial = serial
        self.entropy = entropy
        self.show = show
        self.dialect = dialect_named(profile.dialect)
        self.catalogue = Catalogue(storage)
        self.secure_element = SecureElement(storage, entropy)
        self.device_key = DeviceKey(storage, profile.device_auth_key, self.dialect)
        self.session = Session()
        display = profile.display
        self.geometry = Geometry.of_pixels(display.width, display.height) if display else _NO_DISPLAY
        self.charset = display.charset if display else "gb18030"
        self.texts = texts(display.language if display else "zh")
        self.sm2_bits = u32(sm2.BITS, self.dialect)
        self.has_confirm = profile.confirm.presses > 0 and "ok" in profile.buttons
        self.blinks = display is None
        self.login_lasts = profile.pin.user.cache != "per-sign"
        rule = profile.ready_digest
        self.frees_digests = rule == "free" or (rule == "confirm" and not self.has_confirm)

    def start(self) -> None:
        """Power-on, reset and power-off: read the memory again, forget the rest."""
        self.catalogue.reload()
        self.secure_element.forget()
        self.session = self.session.renewed()

    @contextmanager
    def change(self) -> Iterator[Transaction]:
        """One durable change of the key's memory, all or nothing."""
        with self.catalogue.change() as transaction:
            yield transaction
        self.secure_element.forget()

    def show_idle(self, *, connected: bool = True) -> None:
        """The bank's name and the connection's state (E10)."""
        name = self.profile.display.idle if self.profile.display else ""
        state = self.texts.connected if connected else self.texts.not_connected
        self.show(Screen(ScreenKind.IDLE, name, (name, state)))

    def while_blinking(self, sign: Callable[[], bytes]) -> bytes:
        """Sign; a first-generation key has no screen, its light blinks meanwhile (E10)."""
        self.show(Screen(ScreenKind.LIGHT, self.texts.signing, (self.texts.signing,)))
        signed = sign()
        self.show_idle()
        return signed

    def pin_is_initial(self, application: Application, pin_type: PinType) -> bool:
        """Whether the PIN is still the initial one (E3)."""
        return self.catalogue.has(initial_mark(application.pin_slots[pin_type]))

    def must_change_pin(self, application: Application) -> bool:
        """Whether the initial PIN blocks everything but its change (B2, E3)."""
        return self.profile.pin.user.must_change and self.pin_is_initial(application, PinType.USER)

    def is_activated(self, container: Container) -> bool:
        """Whether the container may sign; in mode `bank` the key knows nothing of activation (A6)."""
        return self.profile.activation == "bank" or self.catalogue.has(container.activated_mark)
