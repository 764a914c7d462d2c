"""Takes the pictures of the panel, docs/panel-*.png, in a real Chromium: ``python -m docs.take_screenshots``."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, FloatRect

from emulator.profiles import load_profile
from hostdriver.gmt import GmtSession
from protocols.gmt import SignInput
from tests.rig.browser import PHONE, PanelKey, PanelPage, chromium, panel_page
from tests.rig.key import activation_code
from tests.rig.messages import transfer

_HERE = Path(__file__).parent
_COLOURS = 256
_MESSAGE = transfer(
    ("收款人:", "上海明远贸易公司"),
    ("收款人账号:", "6222021001116245"),
    ("金额:", "12,300.00"),
    ("附言:", "货款"),
)


def main() -> None:
    """Write them all."""
    with chromium() as browser:
        _transfer(browser)
        _code(browser)
        _phone(browser)
        _pairing(browser)


def _transfer(browser: Browser) -> None:
    """A display key shows a transfer."""

    def sign(session: GmtSession) -> None:
        session.sign_sm2(key.log_in(session), _MESSAGE, SignInput.MESSAGE)

    with (
        PanelKey(load_profile("bocom-2g-tendyron"), serial="5210246318") as key,
        panel_page(browser, key, density=2) as panel,
    ):
        key.host(sign)
        panel.shows("请核对交易")
        panel.advance("+10 s")
        panel.press("down")
        panel.shows("2/")
        panel.row("VerifyPIN").click()
        _save(panel, "panel-transfer.png")


def _code(browser: Browser) -> None:
    """A smart key has its activation code typed."""
    profile = load_profile("bocom-smart-feitian")

    def activate(session: GmtSession) -> None:
        session.activate_on_keypad(key.log_in(session))

    with (
        PanelKey(profile, "issued", serial="6057710934") as key,
        panel_page(browser, key, locale="zh-CN", density=2) as panel,
    ):
        key.host(activate)
        panel.shows("请输入激活码")
        panel.press(*activation_code(profile)[:5])
        panel.shows("*****___")
        _save(panel, "panel-code.png")


def _phone(browser: Browser) -> None:
    """A Bluetooth key on a phone, in the dark."""
    with (
        PanelKey(load_profile("bocom-ble-feitian"), serial="6614083275") as key,
        panel_page(browser, key, phone=True, scheme="dark", density=2) as panel,
    ):
        key.signing(_MESSAGE)
        panel.shows("请核对交易")
        _save(panel, "panel-phone.png", 780)


def _pairing(browser: Browser) -> None:
    """A Bluetooth key shows the number that the phone has too."""
    with (
        PanelKey(load_profile("bocom-ble-tendyron"), serial="5602417793") as key,
        panel_page(browser, key, density=2) as panel,
    ):
        pairing = key.device.begin_pairing(63_314)
        panel.shows("063314")
        _save(panel, "panel-pairing.png")
        pairing.abandon()


def _save(panel: PanelPage, name: str, height: int | None = None) -> None:
    """The whole page, or its top: in few colours, for a small file."""
    panel.page.evaluate("scrollTo(0, 0)")
    part = FloatRect(x=0, y=0, width=PHONE["width"], height=height) if height else None
    shot = panel.page.screenshot(full_page=True, clip=part, animations="disabled")
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    few = picture.quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=4, dither=Image.Dither.NONE)
    few.save(_HERE / name, optimize=True)


if __name__ == "__main__":
    main()
