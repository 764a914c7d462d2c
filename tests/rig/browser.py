"""A key with its panel in a real headless Chromium, driven by Playwright: the person looks and presses there."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from typing import Any, Literal, TypeVar
from urllib.request import Request, urlopen

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect, sync_playwright
from playwright.sync_api import Request as PageRequest

from emulator.control.server import PanelSpec
from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.profiles import Profile
from emulator.running import LinkSpec, Opened, RunningKey
from hostdriver.gmt import Container, GmtSession
from hostdriver.transport.unix_socket import SocketTransport
from protocols.dialect import dialect_named
from protocols.gmt import SignInput
from protocols.sm2 import PublicKey, Signature
from tests.rig.cli import run_directory
from tests.rig.key import stored, user_pin
from tests.rig.patience import PATIENCE_S
from tests.rig.verifiers import sm2_verifies

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP = ViewportSize(width=1100, height=800)
PHONE = ViewportSize(width=360, height=740)
PATIENCE_MS = PATIENCE_S * 1000

_NAME = """const name = (element) => element.getAttribute("aria-label") || element.textContent.trim();"""
_CONTRASTS = """() => {
    const colours = (text) => [...text.matchAll(/rgba?\\(([^)]+)\\)/g)].map((m) => m[1].split(",").map(Number));
    const light = (rgb) => {
        const [r, g, b] = rgb.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const over = (top, under) => under.map((v, i) => v + (top[i] - v) * (top[3] ?? 1));
    const grounds = (element) => {
        if (!element) return [[255, 255, 255]];
        const style = getComputedStyle(element);
        const layers = [...colours(style.backgroundImage), ...colours(style.backgroundColor)].filter((c) => c[3] !== 0);
        if (!layers.length) return grounds(element.parentElement);
        return layers.flatMap((c) => ((c[3] ?? 1) === 1 ? [c] : grounds(element.parentElement).map((g) => over(c, g))));
    };
    const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest(".unseen")) continue;
        const ink = light(colours(getComputedStyle(element).color)[0].slice(0, 3));
        const worst = Math.min(...grounds(element).map((ground) => ratio(ink, light(ground.slice(0, 3)))));
        found.push([walker.currentNode.data, worst]);
    }
    return found;
}"""
"""WCAG 2.2's contrast ratio (its relative luminance) of each text on the page, over the worst of what is behind it."""

Value = TypeVar("Value")
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


def _program() -> str:
    """Debian's Chromium: where there is none a CI run fails, another skips."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        stop = pytest.fail if "CI" in os.environ else pytest.skip
        stop(f"NO BROWSER: none of {', '.join(PROGRAMS)} is installed; apt-get install chromium")
    return str(found)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser."""
    program = _program()
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*OPTIONS])
        try:
            yield browser
        finally:
            browser.close()


class PanelKey:
    """A running key with a panel and a unix socket, and the host at that socket.

    Its clock stands still until the page or the test moves it.
    """

    def __init__(self, profile: Profile, stage: str = "ready", serial: str | None = None) -> None:
        self._held = ExitStack()
        self.profile = profile
        self.clock = ManualClock()
        self.device = Device(profile, serial, storage=stored(profile, stage), clock=self.clock)
        self._user_pin = user_pin(profile, stage)
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("XDG_RUNTIME_DIR", str(self._held.enter_context(run_directory())))
            opened = Opened(self.device, profile.id)
            self._running = RunningKey(opened, [LinkSpec("socket")], lambda *_: None, PanelSpec())
        self._host = ThreadPoolExecutor(max_workers=1, thread_name_prefix="host")

    def __enter__(self) -> PanelKey:
        self._running.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._host.shutdown()
        self._held.close()

    def stop(self) -> None:
        """The key's end; harmless when it has ended."""
        self._running.stop()

    # The host

    def host(self, does: Callable[[GmtSession], Value]) -> Future[Value]:
        """What a host does in a session of its own, in its own thread."""
        return self._host.submit(self._in_session, does)

    def _in_session(self, does: Callable[[GmtSession], Value]) -> Value:
        path = self._running.socket_path
        assert path is not None
        with GmtSession(SocketTransport.open(path), dialect_named(self.profile.dialect)) as session:
            return does(session)

    def log_in(self, session: GmtSession, container: str = "sm2") -> Container:
        """One of the bank's containers, opened, with the user PIN verified: rsa or sm2."""
        application = session.open_application(self.profile.application)
        session.verify_pin(application, self._user_pin)
        return session.open_container(application, getattr(self.profile.containers, container).name)

    def signing(self, message: bytes) -> Future[Signed]:
        """The host has the key sign with SM2."""

        def sign(session: GmtSession) -> Signed:
            container = self.log_in(session)
            key = session.public_key(container)
            assert isinstance(key, PublicKey)
            return Signed(key, message, session.sign_sm2(container, message, SignInput.MESSAGE))

        return self.host(sign)

    # The panel

    @property
    def url(self) -> str:
        """The panel's address."""
        assert self._running.panel is not None
        return self._running.panel.url

    @property
    def token(self) -> str:
        """The API's token."""
        assert self._running.panel is not None
        return self._running.panel.token

    def ticket_url(self) -> str:
        """What opens the panel in a browser, once."""
        assert self._running.panel is not None
        return self._running.panel.ticket_url()

    def get(self, path: str) -> bytes:
        """What the API answers."""
        request = Request(self.url + path, headers={"Authorization": f"Bearer {self.token}"})
        with urlopen(request, timeout=PATIENCE_S) as answer:
            return bytes(answer.read())

    def get_json(self, path: str) -> Any:
        """As `get`, read."""
        return json.loads(self.get(path))


class Signed:
    """A signature with what it is of."""

    def __init__(self, key: PublicKey, message: bytes, signature: Signature) -> None:
        self._parts = (key, message, signature)

    @property
    def verifies(self) -> bool:
        """Whether gmalg accepts it."""
        return sm2_verifies(*self._parts)


class PanelPage:
    """The panel as a person has it before them; it keeps what goes wrong in it."""

    def __init__(self, page: Page, key: PanelKey) -> None:
        self.page = page
        self.key = key
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.acts: list[str] = []
        """What the page asked the API to do, in order."""
        self.done: list[str] = []
        """The same, answered."""
        page.on(
            "console", lambda message: self.errors.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("request", lambda request: self._note(request, self.acts))
        page.on("requestfinished", lambda request: self._note(request, self.done))

    def _note(self, request: PageRequest, acts: list[str]) -> None:
        if request.method == "POST":
            path = request.url.removeprefix(self.key.url).removeprefix(f"/t/{self.key.token}")
            acts.append(path.removeprefix("/"))

    # What is seen

    @property
    def canvas(self) -> Locator:
        """The key's screen."""
        return self.page.locator("canvas")

    @property
    def ask(self) -> Locator:
        """What the key wants of a person."""
        return self.page.get_by_role("region", name="The key asks")

    @property
    def facts(self) -> Locator:
        """What lies on the key."""
        return self.page.get_by_role("region", name="On the key")

    @property
    def filter(self) -> Locator:
        """The filter of the log."""
        return self.page.get_by_role("searchbox", name="Filter")

    @property
    def text(self) -> Locator:
        """What the screen says, for a screen reader."""
        return self.page.locator("#screen-text")

    def shows(self, text: str) -> None:
        """Wait until the screen says that."""
        expect(self.text).to_contain_text(text)

    def dark(self) -> None:
        """Wait until the screen is off."""
        expect(self.page.locator("#dock")).to_have_attribute("data-screen", "off")

    def place_of_key(self) -> tuple[float, float]:
        """Where the key lies on the page."""
        box = self.page.locator(".key").bounding_box()
        assert box is not None
        return box["x"], box["y"]

    def contrasts(self) -> list[tuple[str, float]]:
        """Every text with its contrast to what is behind it."""
        return [(text, ratio) for text, ratio in self.page.evaluate(_CONTRASTS)]

    def row(self, name: str) -> Locator:
        """The newest APDU of that name in the log."""
        return self.page.locator("#rows > li").filter(has_text=name).first

    def seen(self) -> Image.Image:
        """The canvas as it appears on the page, in shades of grey."""
        box = self.canvas.bounding_box()
        assert box is not None
        left, top = round(box["x"]), round(box["y"])  # where the browser snaps a picture to
        shot = Image.open(io.BytesIO(self.page.screenshot())).convert("L")
        return shot.crop((left, top, left + round(box["width"]), top + round(box["height"])))

    def drawn_pixels(self) -> list[bool]:
        """The canvas, row by row: True = ink."""
        bits: str = self.page.evaluate(
            """() => {
                const canvas = document.querySelector("canvas");
                const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                return Array.from({ length: data.length / 4 }, (_, i) => (data[4 * i + 3] ? "1" : "0")).join("");
            }"""
        )
        return [bit == "1" for bit in bits]

    def wait_for_screen(self, number: int) -> None:
        """Wait until the canvas has drawn that screen."""
        expect(self.canvas).to_have_attribute("data-number", str(number))

    # What is done

    def button(self, name: str) -> Locator:
        """One of the key's buttons."""
        return self.page.locator(f'[data-button="{name}"]')

    def press(self, *names: str) -> None:
        """Click the key's buttons, one after the other."""
        for name in names:
            self.button(name).click()

    def advance(self, label: str) -> None:
        """Click a step of the clock, and wait until the key's time has moved."""
        with self.page.expect_response(re.compile("/clock$")):
            self.page.get_by_role("button", name=label).click()

    def sent(self, path: str, times: int) -> None:
        """Wait until the page has had so many answers from there, and has asked no oftener."""
        while self.done.count(path) < times:
            self.page.wait_for_event("requestfinished", timeout=PATIENCE_MS)
        assert self.acts.count(path) == times

    def tab(self) -> tuple[str, str] | None:
        """Go one stop on with Tab: its name and the style of its outline; None past the last one."""
        self.page.keyboard.press("Tab")
        found: list[str] | None = self.page.evaluate(
            f"""() => {{
                {_NAME}
                const focused = document.activeElement;
                return focused === document.body ? null : [name(focused), getComputedStyle(focused).outlineStyle];
            }}"""
        )
        return (found[0], found[1]) if found else None

    def tab_to(self, wanted: str) -> None:
        """Press Tab until that control has the focus."""
        for _ in range(60):
            if (stop := self.tab()) and stop[0] == wanted:
                return
        pytest.fail(f"Tab does not come to {wanted!r}")

    def tab_stops(self) -> list[tuple[str, str]]:
        """Every stop from the page's beginning, with the style of its outline."""
        return list(iter(self.tab, None))


@contextmanager
def panel_page(
    browser: Browser,
    key: PanelKey,
    *,
    path: str | None = None,
    cut: bool = False,
    locale: str = "en-GB",
    phone: bool = False,
    scheme: Scheme = "light",
    density: float = 1,
) -> Iterator[PanelPage]:
    """The key's panel in a context of its own, through a one-time URL as `vukey key panel` opens it.

    :param path: where else to open it.
    :param density: device pixels for each CSS pixel.
    :param cut: its live events do not come through until ``page.unroute("**/live")``.
    """
    context = browser.new_context(
        locale=locale,
        viewport=PHONE if phone else DESKTOP,
        has_touch=phone,
        is_mobile=phone,
        color_scheme=scheme,
        device_scale_factor=density,
        reduced_motion="reduce",
    )
    with closing(context):
        panel = PanelPage(context.new_page(), key)
        if cut:
            panel.page.route("**/live", lambda route: route.abort())
        panel.page.goto(key.url + path if path else key.ticket_url())
        if not cut:
            expect(panel.page.locator("canvas, .light")).to_be_visible()
        yield panel
