"""The page of golden screens that differ: one HTML file that needs nothing else, for whoever has to agree to them."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape

from emulator.hardware.frame import Frame
from protocols.i18n import _, language
from vukey_testing.golden_files import differing, frame_of, text_difference
from vukey_testing.golden_summary import LABELS, unused_label
from vukey_testing.golden_types import Finding, Outcome

_SCALE = 3
_PAPER, _INK = (255, 255, 255), (150, 150, 150)
_GONE, _ADDED = (204, 0, 0), (0, 70, 220)
"""Red and blue: told apart by most who cannot tell red from green."""

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""No name of a test can bring anything in: the page runs nothing and loads nothing (CSP level 3)."""

_STYLE = """
:root { color-scheme: light dark; --line: #d5d9e0; --soft: #f4f6f9; --text: #1d2330; --pale: #5b6472; --paper: #fff;
  --bad: #b3261e; --good: #1a6b3c; --gone: #fde8e6; --added: #e3ecff; }
@media (prefers-color-scheme: dark) { :root { --line: #3a4150; --soft: #1f2530; --text: #e4e8ef; --pale: #a3adbd;
  --paper: #151a22; --bad: #ff8a80; --good: #7bd8a0; --gone: #4a2323; --added: #1f3157; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 84rem; background: var(--paper); color: var(--text);
  font: 15px/1.5 system-ui, "Noto Sans", "Noto Sans CJK SC", sans-serif; }
h1 { margin: 0 0 .75rem; font-size: 1.5rem; }
h2::first-letter, ul.counts a::first-letter { text-transform: uppercase; }
h2 { margin: 2.5rem 0 .75rem; font-size: 1.15rem; }
h3 { margin: 0; font-size: 1rem; overflow-wrap: anywhere; }
ul.counts { display: flex; flex-wrap: wrap; gap: .5rem; margin: 0; padding: 0; list-style: none; }
ul.counts a, ul.counts span { display: block; padding: .3rem .8rem; border: 1px solid var(--line);
  border-radius: 999px; background: var(--soft); color: inherit; text-decoration: none; }
ul.counts b { margin-left: .25rem; }
article { margin: 0 0 1.25rem; border: 1px solid var(--line); border-left: .3rem solid var(--bad);
  border-radius: .4rem; overflow: hidden; }
article.updated, article.new { border-left-color: var(--good); }
article > header { padding: .7rem 1rem; border-bottom: 1px solid var(--line); background: var(--soft); }
article p { margin: .15rem 0 0; color: var(--pale); overflow-wrap: anywhere; }
.body { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 1.25rem; padding: 1rem; }
figure { margin: 0; }
figcaption { margin-bottom: .3rem; color: var(--pale); font-size: .87rem; }
img { display: block; max-width: 100%; height: auto; border: 1px solid var(--line); background: #fff;
  image-rendering: pixelated; }
pre { flex: 1 1 22rem; margin: 0; padding: .7rem .9rem; border: 1px solid var(--line); border-radius: .3rem;
  background: var(--soft); overflow-x: auto;
  font: 16px/1.25 unifont, "Noto Sans Mono CJK SC", "Sarasa Mono SC", monospace; }
del, ins { display: block; text-decoration: none; }
del { background: var(--gone); }
ins { background: var(--added); }
i.gone { color: #c00; } i.added { color: #0046dc; }
@media (prefers-color-scheme: dark) { i.gone { color: #ff8a80; } i.added { color: #8fb3ff; } }
i { font-style: normal; }
li code { overflow-wrap: anywhere; }
"""


def page(findings: Sequence[Finding], unused: Sequence[str], *, updating: bool) -> str:
    """The whole page in the language of the person's locale.

    :param unused: files that no test asks for.
    :param updating: those were removed.
    :raises MissingPackageError: Pillow is not installed.
    """
    title = escape(_("Golden screens"))
    return "\n".join(
        (
            "<!DOCTYPE html>",
            f'<html lang="{"zh-CN" if language() == "zh" else "en"}">',
            '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            f"<title>{title}</title><style>{_STYLE}</style></head>",
            f"<body><h1>{title}</h1>",
            *_counts(findings, len(unused)),
            *_sections(findings),
            *_unused(unused, updating=updating),
            "</body></html>\n",
        )
    )


def _counts(findings: Sequence[Finding], unused: int) -> Iterator[str]:
    """The summary on top, each entry a link to its section."""
    counts = {outcome.value: 0 for outcome in LABELS} | Counter(finding.outcome for finding in findings)
    yield '<ul class="counts">'
    for outcome, label in LABELS.items():
        if counts[outcome]:
            yield _count(outcome, counts[outcome], _(label))
    if unused:
        yield _count("unused", unused, _("unused"))
    if not findings and not unused:
        yield f"<li><span>{escape(_('every screen is its golden'))}</span></li>"
    yield "</ul>"


def _count(section: str, count: int, label: str) -> str:
    return f'<li><a href="#{section}">{escape(label)} <b>{count}</b></a></li>'


def _sections(findings: Sequence[Finding]) -> Iterator[str]:
    for outcome, label in LABELS.items():
        chosen = [finding for finding in findings if finding.outcome == outcome]
        if chosen:
            yield f'<h2 id="{outcome}">{escape(_(label))}</h2>'
        for finding in sorted(chosen, key=lambda finding: (finding.file, finding.test)):
            yield from _article(finding)


def _article(finding: Finding) -> Iterator[str]:
    yield f'<article class="{Outcome(finding.outcome)}"><header><h3>{escape(finding.test)}</h3>'
    yield f"<p>{escape(finding.profile)} · <code>{escape(finding.file)}</code></p></header>"
    yield '<div class="body">'
    golden, screen = _frame(finding.expected_png), _frame(finding.actual_png)
    if golden is not None:
        yield _figure(golden, golden.png(), _("golden"), escape(_("golden")))
    if screen is not None:
        yield _figure(screen, screen.png(), _("screen"), escape(_("screen")))
    if golden is not None and screen is not None and _size(golden) == _size(screen):
        yield _figure(golden, _difference(golden, screen), _("difference"), _legend())
    yield f"<pre>{''.join(_text_lines(finding))}</pre></div></article>"


def _text_lines(finding: Finding) -> Iterator[str]:
    """The text, as a diff where there are two."""
    lines = list(text_difference(finding))[3:]  # without the diff's own head
    if not (finding.expected_text and finding.actual_text and lines):
        yield escape(finding.actual_text or finding.expected_text)
        return
    for line in lines:
        mark = {"-": "del", "+": "ins"}.get(line[0], "span")
        yield f"<{mark}>{escape(line)}</{mark}" + (">" if mark != "span" else ">\n")


def _legend() -> str:
    gone, added = escape(_("only in the golden")), escape(_("only on the screen"))
    return f'<i class="gone">■ {gone}</i> · <i class="added">■ {added}</i>'


def _figure(frame: Frame, png: bytes, title: str, caption: str) -> str:
    data = base64.b64encode(png).decode()
    size = f'width="{frame.width * _SCALE}" height="{frame.height * _SCALE}"'
    return (
        f"<figure><figcaption>{caption}</figcaption>"
        f'<img alt="{escape(title)}" {size} src="data:image/png;base64,{data}"></figure>'
    )


def _frame(png: str) -> Frame | None:
    return frame_of(base64.b64decode(png), "") if png else None


def _size(frame: Frame) -> tuple[int, int]:
    return frame.width, frame.height


def _difference(golden: Frame, screen: Frame) -> bytes:
    """A PNG: ink of both grey, of the golden alone red, of the screen alone blue."""
    from PIL import Image

    image = Image.new("RGB", _size(golden), _PAPER)
    image.paste(_INK, mask=Image.frombytes("1", _size(golden), golden.bits))
    for point in differing(golden, screen):
        image.putpixel(point, _GONE if golden.ink(*point) else _ADDED)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _unused(files: Sequence[str], *, updating: bool) -> Iterator[str]:
    if files:
        yield f'<h2 id="unused">{escape(_(unused_label(updating=updating)))}</h2><ul>'
        yield from (f"<li><code>{escape(file)}</code></li>" for file in files)
        yield "</ul>"
