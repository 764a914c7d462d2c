"""Device models as data: TOML files, loaded and checked. docs/profiles.md says how to add one."""

from __future__ import annotations

from emulator.profiles.checks import is_weak_pin, is_well_formed_atr
from emulator.profiles.errors import ProfileError
from emulator.profiles.loader import load_profile, load_profile_file, profile_ids
from emulator.profiles.model import (
    ActivationCode,
    AdminPin,
    Bluetooth,
    Confirm,
    Containers,
    DisplaySpec,
    Pin,
    Profile,
    Renewal,
    RsaContainer,
    Sm2Container,
    Usb,
    UserPin,
)

__all__ = [
    "ActivationCode",
    "AdminPin",
    "Bluetooth",
    "Confirm",
    "Containers",
    "DisplaySpec",
    "Pin",
    "Profile",
    "ProfileError",
    "Renewal",
    "RsaContainer",
    "Sm2Container",
    "Usb",
    "UserPin",
    "is_weak_pin",
    "is_well_formed_atr",
    "load_profile",
    "load_profile_file",
    "profile_ids",
]
