"""The key's face in a real headless Chromium: seen, read and pressed as a person does it, keys and fingers included."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import closing

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from emulator.profiles import Profile, load_profile
from hostdriver.errors import CancelledError, ConfirmTimeoutError, KeyRemovedError
from hostdriver.gmt import GmtSession
from protocols.gmt import Ins, SignInput
from tests.rig.browser import PHONE, SCHEMES, PanelKey, PanelPage, chromium, panel_page
from tests.rig.key import activation_code
from tests.rig.messages import TRANSFER, transfer
from tests.rig.patience import PATIENCE_S

LONG = transfer(
    ("收款人:", "上海某某贸易有限公司"), ("收款人账号:", "6222000000000001"), ("金额:", "12,300.00")
)
SMART, BLUETOOTH, FIRST = "bocom-smart-feitian", "bocom-ble-feitian", "icbc-1g-gd"
KINDS = ("bocom-2g-tendyron", SMART, BLUETOOTH, "bocom-direct", FIRST)
ONE_KIND = tuple(pytest.param(kind, marks=pytest.mark.slow) if kind != SMART else kind for kind in KINDS)
"""One with all there is to see; of the others in `make test-full`."""
CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def key(profile: Profile, stage: str) -> Iterator[PanelKey]:
    """A key of the model and stage that the test marks, with its panel."""
    with PanelKey(profile, stage) as key:
        yield key


@pytest.fixture
def panel(browser: Browser, key: PanelKey) -> Iterator[PanelPage]:
    """Its page, opened; it ends without an error in the console and without a request to anywhere else."""
    with panel_page(browser, key) as panel:
        yield panel
        assert panel.errors == []
        assert [url for url in panel.requests if not url.startswith(f"{key.url}/")] == []


# A transfer


def test_a_transfer_is_read_to_its_end_and_confirmed(panel: PanelPage, key: PanelKey) -> None:
    signing = key.signing(TRANSFER)
    panel.shows("请核对交易")
    expect(panel.ask).to_contain_text("张三")
    expect(panel.ask).to_contain_text("123.23")
    expect(panel.row("ECCSignData")).to_have_attribute("data-pending", "true")
    panel.press("ok")  # not read to its end, and OK is dead for the first second
    panel.advance("+10 s")
    expect(panel.ask).to_contain_text("50 s left")
    pages = key.device.screen.pages
    panel.press(*["down"] * (pages - 1))
    panel.shows(f"{pages}/{pages}")
    assert not signing.done()
    panel.press("ok")
    assert signing.result(PATIENCE_S).verifies
    expect(panel.row("ECCSignData")).to_contain_text("9000")
    panel.shows("未连接")
    expect(panel.ask).to_contain_text("Nothing now.")


def test_c_cancels(panel: PanelPage, key: PanelKey) -> None:
    signing = key.signing(TRANSFER)
    panel.shows("请核对交易")
    panel.press("cancel")
    with pytest.raises(CancelledError):
        signing.result(PATIENCE_S)
    row = panel.row("ECCSignData")
    expect(row).to_contain_text("6FF0")
    expect(row.locator("summary")).to_contain_text("cancelled on the key")


def test_nobody_presses_until_the_time_is_over(panel: PanelPage, key: PanelKey) -> None:
    signing = key.signing(TRANSFER)
    panel.shows("请核对交易")
    panel.advance("+59 s")
    expect(panel.ask).to_contain_text("1 s left")
    assert not signing.done()
    panel.advance("+10 s")
    with pytest.raises(ConfirmTimeoutError):
        signing.result(PATIENCE_S)
    expect(panel.row("ECCSignData")).to_contain_text("6FF1")


def test_a_second_request_is_busy(panel: PanelPage, key: PanelKey) -> None:
    signing = key.signing(TRANSFER)
    panel.shows("请核对交易")
    key.device.refuse_busy(bytes.fromhex("80040000000000"))
    expect(panel.row("GetDevInfo")).to_contain_text("6FF6")
    panel.press("cancel")
    assert isinstance(signing.exception(PATIENCE_S), CancelledError)


# The screen


@pytest.mark.parametrize("model", ["bocom-2g-tendyron", pytest.param(BLUETOOTH, marks=pytest.mark.slow)])
def test_the_pixels_are_those_of_the_screenshot(model: str, browser: Browser) -> None:
    with PanelKey(load_profile(model)) as key, panel_page(browser, key) as panel:
        same_pixels(panel, key)
        signing = key.signing(LONG)
        panel.shows("请核对交易")
        drawn = [same_pixels(panel, key)]
        for page in range(2, key.device.screen.pages + 1):
            panel.press("down")
            panel.shows(f"{page}/")
            drawn.append(same_pixels(panel, key))
        assert len({tuple(pixels) for pixels in drawn}) == key.device.screen.pages > 2
        panel.page.get_by_role("switch").click()
        assert isinstance(signing.exception(PATIENCE_S), KeyRemovedError)
        panel.dark()
        assert not any(same_pixels(panel, key))


def same_pixels(panel: PanelPage, key: PanelKey) -> list[bool]:
    """The canvas holds what the API's screenshot shows, and the browser shows what the canvas holds."""
    panel.wait_for_screen(key.get_json("/screen")["number"])
    shot = Image.open(io.BytesIO(key.get("/screenshot"))).convert("L")
    wanted = [value == 0 for value in shot.tobytes()]
    assert panel.drawn_pixels() == wanted
    seen = panel.seen()
    scale, rest = divmod(seen.width, shot.width)
    assert (rest, seen.height) == (0, scale * shot.height)
    columns, rows = (range(scale // 2, size, scale) for size in seen.size)
    centres = [seen.tobytes()[y * seen.width + x] for y in rows for x in columns]
    is_lcd = key.profile.display is not None and key.profile.display.type == "lcd"
    assert [(value < 128) == is_lcd for value in centres] == wanted
    return wanted


def test_a_screen_reader_is_told_the_screens_text(panel: PanelPage, key: PanelKey) -> None:
    expect(panel.text).to_have_attribute("aria-live", "polite")
    expect(panel.canvas).to_have_accessible_name("交通银行 未连接")


# Plug


def test_unplug_and_plug(panel: PanelPage, key: PanelKey) -> None:
    switch = panel.page.get_by_role("switch", name="USB plug")
    expect(switch).to_be_checked()
    at = panel.place_of_key()
    signing = key.signing(TRANSFER)
    panel.shows("请核对交易")
    switch.click()
    with pytest.raises(KeyRemovedError):
        signing.result(PATIENCE_S)
    expect(switch).not_to_be_checked()
    expect(switch).to_contain_text("Unplugged")
    expect(panel.row("ECCSignData")).to_contain_text("-")
    panel.dark()
    assert panel.place_of_key() != at
    switch.click()
    expect(switch).to_be_checked()
    panel.shows("未连接")
    assert panel.place_of_key() == at
    assert key.host(lambda session: session.device_info().serial).result(PATIENCE_S) == key.device.serial


# Keyboard


def test_the_keyboard_alone_is_enough(panel: PanelPage, key: PanelKey) -> None:
    type_key = panel.page.keyboard.press
    signing = key.signing(TRANSFER)
    panel.shows("1/")
    panel.tab_to("+10 s")
    type_key("Enter")
    expect(panel.ask).to_contain_text("50 s left")
    for page in range(2, key.device.screen.pages + 1):
        type_key("ArrowDown")
        panel.shows(f"{page}/")
    type_key("ArrowUp")
    panel.shows(f"{key.device.screen.pages - 1}/")
    panel.tab_to("OK: confirm")
    type_key("Enter")
    assert signing.result(PATIENCE_S).verifies
    panel.tab_to("USB plug")
    type_key(" ")
    panel.dark()
    expect(panel.page.get_by_role("switch")).not_to_be_checked()
    type_key("p")
    panel.shows("未连接")


@pytest.mark.profile(BLUETOOTH)
def test_o_is_the_power_button_where_there_is_one(panel: PanelPage) -> None:
    expect(panel.page.locator("#legend")).to_contain_text("O on/off")
    panel.page.keyboard.press("o")
    panel.sent("button/power", 1)


def test_o_does_nothing_where_there_is_none(panel: PanelPage) -> None:
    expect(panel.page.locator("#legend")).not_to_contain_text("on/off")
    panel.page.keyboard.press("o")
    panel.page.keyboard.press("Enter")
    panel.sent("button/ok", 1)
    assert panel.acts == ["button/ok"]


@pytest.mark.parametrize("stroke", ["Escape", "c", "C", "Backspace"])
def test_a_stroke_that_cancels(stroke: str, panel: PanelPage, key: PanelKey) -> None:
    signing = key.signing(TRANSFER)
    panel.shows("请核对交易")
    panel.page.keyboard.press(stroke)
    assert isinstance(signing.exception(PATIENCE_S), CancelledError)


def test_enter_presses_once_whatever_has_the_focus(panel: PanelPage) -> None:
    keyboard = panel.page.keyboard
    keyboard.press("Enter")  # nothing has it
    panel.tab_to("OK: confirm")
    keyboard.press("Enter")
    keyboard.down("Enter")
    keyboard.down("Enter")  # held down: it repeats
    keyboard.up("Enter")
    panel.press("up")  # the mouse leaves the focus where it was
    keyboard.press("Enter")
    panel.sent("button/up", 1)
    panel.sent("button/ok", 4)
    panel.tab_to("C: cancel")
    keyboard.press("Enter")
    panel.sent("button/cancel", 1)
    panel.sent("button/ok", 4)


def test_what_is_typed_into_the_filter_does_not_reach_the_key(panel: PanelPage) -> None:
    panel.filter.click()
    panel.page.keyboard.type("c p")
    panel.page.keyboard.press("Backspace")
    expect(panel.filter).to_have_value("c ")
    panel.page.keyboard.press("Control+c")
    panel.page.locator("h1").click()
    panel.page.keyboard.press("Control+p")
    panel.press("ok")
    panel.sent("button/ok", 1)
    assert panel.acts == ["button/ok"]


def test_the_tab_order_is_that_of_the_page_and_every_stop_is_seen(panel: PanelPage) -> None:
    stops = panel.tab_stops()
    assert [name for name, _ in stops] == [
        *("中文", "C: cancel", "Page up", "Page down", "OK: confirm", "USB plug"),
        *("+10 s", "+59 s", "+24 h", "Filter", "Copy"),
    ]
    assert [name for name, outline in stops if outline == "none"] == []


# A keypad


@pytest.mark.profile(SMART)
@pytest.mark.stage("issued")
@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_the_activation_code_is_typed_on_the_keypad(by: str, panel: PanelPage, key: PanelKey) -> None:
    container = panel.page.locator(".containers li", has_text="SM2-SIGN")
    expect(container).to_contain_text("not activated: 6 tries left for the code")
    code = activation_code(key.profile)

    def enter(digits: str) -> None:
        if by == "mouse":
            panel.press(*digits)
        else:
            panel.page.keyboard.type(digits)

    def confirm() -> None:
        if by == "mouse":
            panel.press("ok")
        else:
            panel.page.keyboard.press("Enter")

    activating = key.host(activate)
    panel.shows("请输入激活码")
    expect(panel.ask).to_contain_text("Wants 8 digits")
    enter("".join(reversed(code)))
    panel.shows("*" * len(code))
    confirm()
    assert activating.exception(PATIENCE_S) is not None
    expect(container).to_contain_text("not activated: 5 tries left for the code")

    activating = key.host(activate)
    panel.shows("________")
    enter(code[:3])
    panel.shows("***_____")
    panel.press("cancel")
    panel.shows("________")
    enter(code)
    panel.shows("*" * len(code))
    confirm()
    activating.result(PATIENCE_S)
    expect(container.get_by_text("activated", exact=True)).to_be_visible()
    assert code not in panel.page.content()


def activate(session: GmtSession) -> None:
    """The host asks for the code of the SM2 container."""
    application = session.open_application(session.applications()[0])
    session.verify_pin(application, "12345678")
    session.activate_on_keypad(session.open_container(application, "SM2-SIGN"))


# Other models

NOTE_BLINKING = """light => {
    const note = () => { if (light.classList.contains("blinking")) light.dataset.blinked = "yes"; };
    new MutationObserver(note).observe(light, {attributeFilter: ["class"]});
}"""
"""A blink lasts shorter than Playwright may take from one look to the next."""


@pytest.mark.profile(FIRST)
def test_a_first_generation_keys_light_blinks_while_it_signs(panel: PanelPage, key: PanelKey) -> None:
    light = panel.page.get_by_role("img", name="Light")
    expect(light).to_have_class("light")
    expect(panel.page.locator("canvas, [data-button]")).to_have_count(0)
    light.evaluate(NOTE_BLINKING)

    def sign(session: GmtSession) -> bytes:
        return session.sign_rsa(key.log_in(session, "rsa"), TRANSFER, SignInput.MESSAGE)

    assert len(key.host(sign).result(PATIENCE_S)) == 128
    expect(light).to_have_attribute("data-blinked", "yes")
    expect(light).to_have_class("light")


@pytest.mark.profile(BLUETOOTH)
def test_a_bluetooth_key_has_a_power_button_and_a_battery(panel: PanelPage) -> None:
    panel.page.get_by_role("switch").click()
    panel.dark()
    panel.page.get_by_role("button", name="Power").click()
    panel.shows("未连接")
    panel.press("power")
    panel.dark()
    gauge = panel.page.locator(".gauge")
    expect(gauge).to_have_accessible_name("Battery 100 %")
    panel.page.get_by_role("slider", name="Battery").fill("15")
    expect(gauge).to_have_accessible_name("Battery 15 %")
    expect(gauge).to_have_attribute("data-low", "true")


@pytest.mark.stage("issued")
def test_the_facts_of_a_key_that_is_not_in_use_yet(panel: PanelPage, key: PanelKey) -> None:
    expect(panel.facts).to_contain_text("issued, not in use yet")
    user = panel.page.locator(".pins dd").first
    expect(user).to_contain_text("initial PIN")

    def guess(session: GmtSession) -> None:
        session.verify_pin(session.open_application(key.profile.application), "000000")

    for left in range(key.profile.pin.user.tries - 1, -1, -1):
        assert key.host(guess).exception(PATIENCE_S) is not None
        expect(user).to_contain_text(f"{left} of {key.profile.pin.user.tries} tries left")
    expect(user).to_contain_text("locked")


@pytest.mark.stage("blank")
def test_a_blank_key(panel: PanelPage) -> None:
    expect(panel.facts).to_contain_text("blank")
    expect(panel.facts).to_contain_text("The key holds no application.")


# The log


def test_the_log_names_commands_and_withholds_secrets(panel: PanelPage, key: PanelKey) -> None:
    sent: list[bytes] = []
    key.device.on_apdu(lambda apdu, _: sent.append(apdu))
    key.host(key.log_in).result(PATIENCE_S)
    expect(panel.row("OpenContainer")).to_contain_text("9000")
    row = panel.row("VerifyPIN")
    row.click()
    expect(row).to_contain_text("withheld: a PIN, a code or a key")
    (secret,) = (apdu[7:23].hex() for apdu in sent if apdu[1] == Ins.VERIFY_PIN)
    assert len(secret) == 32
    assert secret not in re.sub(r"\s", "", panel.page.content()).lower()
    row = panel.row("OpenApplication")
    row.click()
    expect(row).to_contain_text(key.profile.application.encode().hex(" ").upper())
    rows = panel.page.locator("#rows > li")
    expect(rows.first).to_contain_text("OpenContainer")  # the newest comes first
    panel.filter.fill("verify")
    expect(rows.filter(visible=True)).to_have_count(1)
    panel.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    panel.page.get_by_role("button", name="Copy").click()
    expect(panel.page.get_by_role("status")).to_have_text("Copied.")
    copied = panel.page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(r"\d+ VerifyPIN: 8018\w{4} data withheld > 9000 done\n", copied)


@pytest.mark.slow
def test_the_log_keeps_500_rows(panel: PanelPage, key: PanelKey) -> None:
    def ask(session: GmtSession) -> None:
        for _ in range(60):
            session.random(8)

    for _ in range(9):  # in portions that no reader misses a part of
        key.host(ask).result(PATIENCE_S)
        last = key.get_json("/apdus")["apdus"][-1]["number"]
        expect(panel.page.locator(f'[data-number="{last}"]')).to_have_count(1)
    assert panel.page.locator("#rows > li").count() == 500


# Languages, sizes, schemes


def test_chinese_and_english(browser: Browser, key: PanelKey) -> None:
    chinese = key.get_json("/panel/strings?lang=zh")
    with panel_page(browser, key, locale="zh-CN") as panel:
        page = panel.page
        expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
        expect(page.locator("h1")).to_have_text(key.profile.title_zh)
        expect(page.locator(".banner")).to_have_text(chinese["Virtual key: test keys only"])
        expect(panel.button("ok")).to_have_accessible_name(chinese["OK: confirm"])
        assert CHINESE.search(page.locator(".banner").inner_text())
        page.get_by_role("button", name="English").click()
        for _ in range(2):  # once the button was used, and after the page was loaded again
            expect(page.locator("html")).to_have_attribute("lang", "en")
            expect(page.locator("h1")).to_have_text(key.profile.title)
            expect(page.locator(".banner")).to_have_text("Virtual key: test keys only")
            expect(panel.button("ok")).to_have_accessible_name("OK: confirm")
            page.reload()


@pytest.mark.parametrize("model", ONE_KIND)
def test_every_kind_fits_a_phone(model: str, browser: Browser) -> None:
    with PanelKey(load_profile(model)) as key, panel_page(browser, key, phone=True) as panel:
        for _ in ("en", "zh"):
            assert panel.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
            panel.page.locator("#language").tap()
        for knob in panel.page.locator("[data-button], [data-advance], #plug").all():
            box = knob.bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) >= 34
            assert 0 <= box["x"] <= PHONE["width"] - box["width"]
        if key.device.buttons:
            signing = key.signing(TRANSFER)
            panel.shows("请核对交易")
            panel.button("cancel").tap()
            assert isinstance(signing.exception(PATIENCE_S), CancelledError)
            panel.sent("button/cancel", 1)


@pytest.mark.parametrize("model", ONE_KIND)
def test_everything_has_a_name_and_can_be_read(model: str, browser: Browser) -> None:
    with PanelKey(load_profile(model), "issued") as key, panel_page(browser, key) as panel:
        key.host(lambda session: key.log_in(session, "rsa")).result(PATIENCE_S)
        expect(panel.row("OpenContainer")).to_contain_text("9000")
        for control in (
            panel.page.get_by_role("button").or_(panel.page.locator("input")).filter(visible=True).all()
        ):
            expect(control).to_have_accessible_name(re.compile(r"\S"), timeout=1000)
        for scheme in SCHEMES:
            panel.page.emulate_media(color_scheme=scheme)
            texts = panel.contrasts()
            assert len(texts) > 20
            assert [(text, ratio) for text, ratio in texts if ratio < 4.5] == []


# The connection


def test_a_url_opens_the_panel_once(browser: Browser, key: PanelKey) -> None:
    url = key.ticket_url()
    with panel_page(browser, key) as first:
        first.page.goto(url)
        assert "ticket" not in first.page.url
        first.page.goto(url)  # whoever is in may open it again
        expect(first.page.locator("canvas")).to_be_visible()
    with closing(browser.new_context(locale="en-GB")) as somebody_else:
        page = somebody_else.new_page()
        answer = page.goto(url)
        assert answer is not None
        assert answer.status == 401
        expect(page.get_by_text("type in a terminal: vukey key panel")).to_be_visible()


def test_the_path_with_the_token_opens_it_too(browser: Browser, key: PanelKey) -> None:
    with panel_page(browser, key, path=f"/t/{key.token}/") as panel:
        panel.shows("未连接")
        panel.press("ok")
        panel.sent("button/ok", 1)
        assert panel.errors == []


def test_a_lost_connection_is_told_and_comes_back(browser: Browser, key: PanelKey) -> None:
    with panel_page(browser, key, cut=True) as panel:
        expect(panel.page.get_by_role("alert")).to_contain_text("connection to the key is lost")
        panel.page.unroute("**/live")
        panel.shows("未连接")
        expect(panel.page.get_by_role("alert")).to_be_hidden()


def test_a_key_that_has_gone_is_told(browser: Browser, key: PanelKey) -> None:
    with panel_page(browser, key) as panel:
        panel.page.clock.install()
        key.stop()
        expect(panel.page.get_by_role("alert")).to_contain_text("connection to the key is lost")
        panel.page.clock.fast_forward(6000)
        expect(panel.page.get_by_role("alert")).to_contain_text("The key has gone.")


def test_a_page_whose_session_is_over_says_how_to_open_another(browser: Browser, key: PanelKey) -> None:
    with panel_page(browser, key, cut=True) as panel:
        expect(panel.page.get_by_role("alert")).to_be_visible()
        panel.page.context.clear_cookies()
        panel.page.unroute("**/live")
        expect(panel.page.get_by_role("alert")).to_contain_text("vukey key panel")
