"""A Bluetooth key on its battery, as two users have it: one by Bluetooth, one that gives it power."""

from __future__ import annotations

from emulator.device import Device, Exchange
from emulator.hardware.battery import Battery
from emulator.hardware.clock import Clock
from emulator.hardware.storage import Storage
from emulator.profiles import load_profile
from emulator.sharing import SharedKey
from hostdriver.gmt import GmtSession
from protocols.apdu import Command, encode_command
from protocols.gmt import CLA_PLAIN, ApplicationInfo, Ins, SignInput
from tests.rig.key import changed, stored
from tests.rig.messages import TRANSFER

PHONE, COMPUTER = "phone", "computer"
"""Who has no power to give, and who has some."""
GET_DEV_INFO = bytes.fromhex("80040000000000")
OK, BUSY = bytes.fromhex("9000"), bytes.fromhex("6ff6")
IDLE, CONNECTED = ("交通银行", "未连接"), ("交通银行", "已连接")
BLUETOOTH = changed(load_profile("bocom-ble-feitian"), pin__user__cache="session")
AUTO_OFF_S = 180


def switched_on(clock: Clock, storage: Storage | None = None) -> Device:
    """Ready for use, on its battery."""
    device = Device(BLUETOOTH, storage=storage or stored(BLUETOOTH, "ready"), clock=clock)
    device.press("power")
    return device


def battery_of(shared: SharedKey) -> Battery:
    """The key's battery."""
    assert shared.device.battery is not None
    return shared.device.battery


class As:
    """A user of the shared key, as a transport."""

    def __init__(self, shared: SharedKey, name: str) -> None:
        self._shared = shared
        self.name = name

    def exchange(self, apdu: bytes) -> bytes:
        return self._shared.begin(self.name, apdu).wait()

    def reset(self) -> bytes:
        self._shared.reset(self.name)
        return self._shared.device.profile.atr

    def close(self) -> None:
        self._shared.leave(self.name)


def log_in(shared: SharedKey, user: str) -> tuple[GmtSession, ApplicationInfo]:
    """A session and the bank's application, its PIN verified."""
    session = GmtSession(As(shared, user))
    application = session.open_application(BLUETOOTH.application)
    session.verify_pin(application, BLUETOOTH.ready_user_pin)
    return session, application


def begin_signature(shared: SharedKey, user: str) -> Exchange:
    """A signature that waits for a person."""
    session, application = log_in(shared, user)
    data = session.open_container(application, "SM2-SIGN").handles + TRANSFER
    command = Command(CLA_PLAIN, Ins.ECC_SIGN_DATA, SignInput.MESSAGE, 0, data, 68)
    exchange = shared.begin(user, encode_command(command))
    assert exchange.response is None
    return exchange


def is_logged_in(shared: SharedKey) -> bool:
    """Whether the user PIN is verified."""
    (application,) = shared.device.inspect()
    return application.user_pin.verified
