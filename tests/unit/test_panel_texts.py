"""The panel's texts: what its files say is what the catalogue has, no more and no less."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import emulator.control
from emulator.control.panel_texts import PAGE_TEXTS, PANEL_TEXTS
from protocols.sw import SW, describe

PANEL = Path(emulator.control.__file__).with_name("panel")
SCRIPTS = sorted(PANEL.glob("*.js"))
MARKED = re.compile(r"\b(?:t|N_)\(\s*\"([^\"]+)\"")
ATTRIBUTES = ("data-i18n-label", "data-i18n-placeholder")


class Page(HTMLParser):
    """The texts of index.html: those marked for translation, and the others."""

    def __init__(self) -> None:
        super().__init__()
        self.marked: list[str] = []
        self.unmarked: list[str] = []
        self._is_marked = False
        self.feed((PANEL / "index.html").read_text())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._is_marked = "data-i18n" in given
        self.marked += [value for name in ATTRIBUTES if (value := given.get(name))]
        self.unmarked += [
            value for name in ("title", "alt", "aria-label", "placeholder") if (value := given.get(name))
        ]

    def handle_data(self, data: str) -> None:
        if text := data.strip():
            (self.marked if self._is_marked else self.unmarked).append(text)
        self._is_marked = False


def test_every_text_of_the_page_is_in_the_catalogue_and_none_is_left_over() -> None:
    used = {text for script in SCRIPTS for text in MARKED.findall(script.read_text())} | set(Page().marked)
    assert used == set(PAGE_TEXTS)
    assert len(PAGE_TEXTS) == len(set(PAGE_TEXTS))


def test_nothing_but_the_name_stands_in_the_page_unmarked() -> None:
    assert set(Page().unmarked) == {"vukey"}


def test_no_sentence_stands_in_the_scripts_unmarked() -> None:
    """A literal with a blank between words that is not marked is a selector or nothing at all."""
    for script in SCRIPTS:
        code = re.sub(r"//[^\n]*|/\*.*?\*/", "", script.read_text(), flags=re.DOTALL)
        literals = set(re.findall(r'"([^"\n]*[A-Za-z]{2,} [A-Za-z]{2,}[^"\n]*)"', code)) - set(PAGE_TEXTS)
        assert {text for text in literals if not re.fullmatch(r"[a-z -]+", text)} == set(), script.name


def test_what_status_words_say_is_there() -> None:
    assert {describe(sw) for sw in SW} | {describe(0x1234)} <= set(PANEL_TEXTS)


def test_nothing_comes_from_elsewhere() -> None:
    """No address of another server in any file, and no style or script inside the page: its CSP allows neither."""
    for file in PANEL.iterdir():
        addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*", file.read_text()))
        assert addresses <= {"http://www.w3.org/2000/svg"}, file.name
    page = (PANEL / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)
