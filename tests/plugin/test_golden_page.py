"""The page of golden screens that differ: in a real browser, against hostile names, in both languages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page

from tests.plugin.project import Project, flip
from tests.rig.browser import chromium

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)></pre>\"'&"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


class Opened:
    """The page as a person has it open."""

    def __init__(self, page: Page, path: Path) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("dialog", self._dismiss)
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(path.as_uri())
        self.page = page

    def _dismiss(self, dialog: Dialog) -> None:
        self.complaints.append(dialog.message)
        dialog.dismiss()

    def texts(self, selector: str) -> list[str]:
        """What stands there."""
        return self.page.locator(selector).all_inner_texts()

    def marked(self) -> set[tuple[int, int]]:
        """The pixels of the picture of differences that are neither black, white nor grey."""
        found: list[list[int]] = self.page.evaluate(
            """async () => {
                const image = [...document.images].at(-1);
                await image.decode();
                const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
                const context = canvas.getContext("2d");
                context.drawImage(image, 0, 0);
                const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
                return Array.from({ length: data.length / 4 }, (_, i) => i)
                    .filter((i) => new Set(data.slice(4 * i, 4 * i + 3)).size > 1)
                    .map((i) => [i % canvas.width, Math.floor(i / canvas.width)]);
            }"""
        )
        return {(x, y) for x, y in found}


def test_no_test_id_brings_anything_into_the_page(project: Project, browser: Browser) -> None:
    project.write(f"""
@pytest.mark.vukey(stage="blank")
@pytest.mark.parametrize("name", [{EVIL!r}], ids=[{EVIL!r}])
def test_idle(key, screen, name):
    key.open()
    screen.golden(name)
""")
    assert project.run().outcomes == {"failed": 1}
    with closing(browser.new_context()) as context:
        opened = Opened(context.new_page(), project.path / "vukey-golden.html")
        assert opened.texts("h3") == [f"test_pay.py::test_idle[inproc-{EVIL}]"]
        assert opened.page.locator("script").count() == 0
        assert opened.page.locator("img").count() == 1
        assert not opened.complaints
        [own, *pictures] = opened.requests
        assert own.startswith("file:")
        assert all(url.startswith("data:image/png;base64,") for url in pictures)


def test_the_page_shows_golden_screen_and_difference(project: Project, browser: Browser) -> None:
    project.write_idle("交通银行")
    project.run("--vukey-golden=update")
    flip(project.golden("idle.png"), {(7, 9), (127, 63)})
    assert project.run().outcomes == {"failed": 1}
    with closing(browser.new_context()) as context:
        opened = Opened(context.new_page(), project.path / "vukey-golden.html")
        sizes = opened.page.evaluate("[...document.images].map((i) => [i.naturalWidth, i.naturalHeight])")
        assert sizes == [[128, 64]] * 3
        assert opened.marked() == {(7, 9), (127, 63)}
        assert "Pixels differ 1" in " ".join(opened.texts("ul.counts li"))
        assert not opened.complaints


def test_the_page_shows_which_line_differs(project: Project, browser: Browser) -> None:
    project.write_idle("交通银行")
    project.run("--vukey-golden=update")
    project.write_idle("工商银行")
    project.run()
    with closing(browser.new_context()) as context:
        opened = Opened(context.new_page(), project.path / "vukey-golden.html")
        assert opened.texts("del") == ["-|交通银行        |"]
        assert opened.texts("ins") == ["+|工商银行        |"]


def test_the_page_fits_a_phone(project: Project, browser: Browser) -> None:
    project.write_idle("交通银行")
    project.run()
    with closing(browser.new_context(viewport={"width": 360, "height": 740})) as context:
        opened = Opened(context.new_page(), project.path / "vukey-golden.html")
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_page_speaks_the_persons_language_and_is_made_where_it_is_wanted(project: Project) -> None:
    project.write_idle("交通银行")
    project.run("--vukey-golden=update", "--vukey-golden-report=new.html")
    assert not (project.path / "vukey-golden.html").exists()
    for language, name in (("en", "en"), ("zh_CN", "zh-CN")):
        result = project.run(f"--vukey-golden-report={name}.html", LANGUAGE=language)
        assert result.outcomes == {"passed": 1}
        page = project.path.joinpath(f"{name}.html").read_text(encoding="utf-8")
        assert f'<html lang="{name}">' in page
    project.run()
    assert not (project.path / "vukey-golden.html").exists()
