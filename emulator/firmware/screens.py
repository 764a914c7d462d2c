"""The texts on the key's own screen; their language is the profile's (E10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Texts:
    """Every text that a key shows of its own."""

    connected: str
    not_connected: str
    confirm_transfer: str
    confirm_message: str
    confirm_digest: str
    confirm_pairing: str
    pairing_number: str
    digest: str
    enter_code: str
    enter_pin: str
    present_pin: str
    new_pin: str
    new_pin_again: str
    pins_differ: str
    pin_tries: str
    press_again: str
    signing: str
    soft_keys: tuple[str, ...]


_TEXTS = {
    "zh": Texts(
        connected="已连接",
        not_connected="未连接",
        confirm_transfer="请核对交易",
        confirm_message="请核对信息",
        confirm_digest="请确认签名",
        confirm_pairing="请核对配对码",
        pairing_number="配对码:",
        digest="摘要:",
        enter_code="请输入激活码",
        enter_pin="请输入密码",
        present_pin="请输入原密码",
        new_pin="请输入新密码",
        new_pin_again="请再输入新密码",
        pins_differ="两次密码不一致",
        pin_tries="密码剩余次数:",
        press_again="请再按一次OK",
        signing="签名中",
        soft_keys=("C取消", "OK确认"),
    ),
    "en": Texts(
        connected="connected",
        not_connected="not connected",
        confirm_transfer="Check transfer",
        confirm_message="Check message",
        confirm_digest="Confirm signing",
        confirm_pairing="Check pairing",
        pairing_number="Number:",
        digest="Digest:",
        enter_code="Activation code",
        enter_pin="Enter PIN",
        present_pin="Present PIN",
        new_pin="New PIN",
        new_pin_again="New PIN again",
        pins_differ="New PINs differ",
        pin_tries="PIN tries left:",
        press_again="Press OK again",
        signing="signing",
        soft_keys=("C=no", "OK=yes"),
    ),
}


def texts(language: Literal["zh", "en"]) -> Texts:
    """The texts in the profile's language."""
    return _TEXTS[language]
