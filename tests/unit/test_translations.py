"""The Simplified Chinese catalogue: complete, true to its placeholders, and shown to whoever asks for it."""

from __future__ import annotations

import ast
import gettext
import importlib.util
import re
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Message
from babel.messages.mofile import read_mo

from tests.messages import (
    CLICK,
    MO,
    ROOT,
    TYPER,
    Id,
    collected,
    is_mark,
    is_translated,
    merged,
    messages_of,
    mo_bytes,
    po_bytes,
    source_files,
    translated,
)
from tests.rig.cli import run_directory, vukey

CHINESE = re.compile("[\u4e00-\u9fff]")
TYPED_AS_IT_STANDS = re.compile(
    r"--[a-z-]*[a-z]|VUKEY_[A-Z_]+|\b(?:FILE|CMD|SECONDS|HOST|PORT|READER|SERIAL|PATH)\b"
    r"|vukey (?:up|profiles|host \w+(?: (?:change|unblock|verify))?)|pip install '[^']+'|chmod \d+",
    re.ASCII,
)
"""Options, variables, metavariables and commands: they work in English only."""


def forms(message: Message) -> list[tuple[str, str]]:
    """Every Chinese text with the English one it stands for."""
    if isinstance(message.id, str):
        return [(message.id, str(message.string))]
    return [(message.id[-1], str(string)) for string in message.string or ()]


SINGULARS = {ids[1]: ids[0] for ids in CLICK if isinstance(ids, tuple)}
FORMS = [pair for message in messages_of(translated()) for pair in forms(message)]


# The files


def test_the_translations_are_those_of_todays_messages() -> None:
    """Fails on a missing and on an obsolete one: run `make messages`."""
    today = {message.id for message in messages_of(collected())}
    assert {message.id for message in messages_of(translated())} ^ today == set()
    assert not translated().obsolete


def test_nothing_in_the_files_changes_by_itself() -> None:
    """No dates, no line numbers."""
    assert not re.search(rb"Date|^#:.*:\d", po_bytes(merged()), re.MULTILINE)


def test_every_message_is_translated() -> None:
    assert [message.id for message in messages_of(translated()) if not is_translated(message)] == []


def test_no_translation_is_a_guess() -> None:
    assert [message.id for message in translated() if message.fuzzy] == []


def test_the_compiled_file_is_that_of_the_translations() -> None:
    assert MO.read_bytes() == mo_bytes(merged())
    compiled = [pair for message in messages_of(read_mo(BytesIO(MO.read_bytes()))) for pair in forms(message)]
    assert sorted(compiled) == sorted(FORMS)


def test_gettext_itself_reads_the_compiled_file() -> None:
    with MO.open("rb") as file:
        read = gettext.GNUTranslations(file)
    for english, chinese in FORMS:
        singular = SINGULARS.get(english)
        assert (read.ngettext(singular, english, 2) if singular else read.gettext(english)) == chinese


# The texts


def placeholders(text: str) -> Counter[tuple[str, str | None, str | None]]:
    """Names with conversion and format, as `str.format` takes them."""
    return Counter((name, how, as_) for _, name, how, as_ in Formatter().parse(text) if name is not None)


def fits(english: str, chinese: str) -> bool:
    """Whether a translation is Chinese and keeps what must stay as it is."""
    kept = set(TYPED_AS_IT_STANDS.findall(english)) <= set(TYPED_AS_IT_STANDS.findall(chinese))
    same = placeholders(chinese) == placeholders(english)
    return kept and same and bool(CHINESE.search(chinese)) and chinese == chinese.strip()


def test_every_translation_fits_its_message() -> None:
    assert [pair for pair in FORMS if not fits(*pair)] == []


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("no {key}", "没有 {keys}"),
        ("0x{value:02X} is wrong", "0x{value} 错误"),
        ("see: vukey host list", "可查看：vukey host info"),
        ("set VUKEY_PIN", "请设置PIN"),
        ("done", "done"),
    ],
)
def test_the_check_sees_a_misfit(english: str, chinese: str) -> None:
    assert not fits(english, chinese)


# The marks in the sources


SOURCES = {path: ast.parse(path.read_bytes()) for path in source_files()}
WORD = re.compile(r"[A-Za-z]{2,}")
MARKUP = re.compile(r"\[/?[a-z ]*\]")
NOT_TRANSLATED = {"vukey", "ID"}
SHOWS = ("echo", "tell", "print", "Table", "add_column", "_say", "read_secret", "getpass")
"""What these are handed, a person reads."""


def name_of(node: ast.expr) -> str:
    """The last part of a name."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def bare_texts(node: ast.AST) -> Iterator[str]:
    """Texts with words that no mark encloses; keys of mappings and JSON are no texts."""
    if is_mark(node) or (isinstance(node, ast.Call) and name_of(node.func) == "dumps"):
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        if set(WORD.findall(MARKUP.sub("", node.value))) - NOT_TRANSLATED:
            yield node.value
        return
    if isinstance(node, ast.Subscript | ast.FormattedValue):
        yield from bare_texts(node.value)
        return
    for child in ast.iter_child_nodes(node):
        yield from bare_texts(child)


def found(kind: type[ast.AST]) -> Iterator[tuple[Path, ast.AST]]:
    """The nodes of a kind in every source file."""
    for path, tree in SOURCES.items():
        for node in ast.walk(tree):
            if isinstance(node, kind):
                yield path.relative_to(ROOT), node


def calls() -> Iterator[tuple[Path, ast.Call]]:
    """Every call in the sources."""
    return ((path, node) for path, node in found(ast.Call) if isinstance(node, ast.Call))


def errors() -> set[str]:
    """The names of `VukeyError` and of what derives from it, however far."""
    bases = {
        node.name: {name_of(base) for base in node.bases}
        for _, node in found(ast.ClassDef)
        if isinstance(node, ast.ClassDef)
    }
    known = {"VukeyError"}
    while more := {name for name, above in bases.items() if above & known} - known:
        known |= more
    return known


def test_the_errors_are_found() -> None:
    assert {"VukeyError", "HostError", "TransactionError", "DemoFailedError", "ApduError"} <= errors()


def test_every_error_is_given_a_marked_template() -> None:
    """With `N_`: `str(error)` stays English, as --json has it, and `localized` translates."""
    known, wrong = errors(), []
    for path, call in calls():
        if name_of(call.func) in known and call.args:
            inner = [node for node in ast.walk(call.args[0]) if isinstance(node, ast.Call)]
            too_early = any(name_of(node.func) == "_" for node in inner)
            if too_early or any(bare_texts(call.args[0])):
                wrong.append(f"{path}:{call.lineno}")
    assert wrong == []


def test_the_texts_of_error_classes_are_marked() -> None:
    known, wrong = errors(), []
    for path, node in found(ast.ClassDef):
        if not isinstance(node, ast.ClassDef) or node.name not in known:
            continue
        texts = [item.value for item in node.body if isinstance(item, ast.Assign)]
        given = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
        texts += [call.args[0] for call in given if name_of(call.func) == "__init__" and call.args]
        wrong += [f"{path}:{node.name}: {text}" for value in texts for text in bare_texts(value)]
    assert wrong == []


def test_every_help_is_translated_at_once() -> None:
    """Typer prints a help as it is given."""
    helps = [
        (path, key.value) for path, call in calls() for key in call.keywords if key.arg in ("help", "epilog")
    ]
    assert len(helps) > 30
    wrong = [
        f"{path}:{value.lineno}"
        for path, value in helps
        if not (is_mark(value) and isinstance(value, ast.Call) and name_of(value.func) == "_")
    ]
    assert wrong == []


def test_whatever_is_printed_is_marked() -> None:
    wrong = [
        f"{path}:{call.lineno}: {text}"
        for path, call in calls()
        if name_of(call.func) in SHOWS
        for argument in call.args[: 1 if name_of(call.func) == "read_secret" else None]
        for text in bare_texts(argument)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ('f("some text")', ["some text"]),
        ("f(f'{x} left')", [" left"]),
        ("f(_('some text'))", []),
        ("f('bare' if x else N_('marked'))", ["bare"]),
        ("f(f'[bold]{x}[/]')", []),
        ("f(facts['serial'])", []),
        ("f(json.dumps({'ready': 1}))", []),
    ],
)
def test_the_check_sees_bare_texts(source: str, texts: list[str]) -> None:
    call = ast.parse(source, mode="eval").body
    assert isinstance(call, ast.Call)
    assert [*bare_texts(call.args[0])] == texts


@pytest.mark.parametrize(("library", "ids"), [("typer", TYPER), ("click", CLICK)])
def test_the_library_has_these_messages(library: str, ids: tuple[Id, ...]) -> None:
    pytest.importorskip(library)
    spec = importlib.util.find_spec(library)
    assert spec is not None
    assert spec.origin is not None
    files = Path(spec.origin).parent.glob("*.py")
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_bytes()))]
    literals = {
        node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    wanted = {text for id_ in ids for text in ([id_] if isinstance(id_, str) else id_)}
    assert wanted - literals == set()


# What a person sees


SENTENCE = re.compile(r"[A-Za-z][a-z]+(?:,? [A-Za-z][a-z]+){2,}")
HELPS = [
    ("--help",),
    ("up", "--help"),
    ("host", "--help"),
    ("host", "sign", "--help"),
    ("host", "pin", "--help"),
]
ERROR = ("up", "--approve", "perhaps")

BY_LANGUAGE = {"LANGUAGE": "zh_CN", "LC_ALL": "C.UTF-8"}
BY_LANG = {"LANGUAGE": "", "LC_ALL": "", "LC_MESSAGES": "", "LC_CTYPE": "", "LANG": "zh_CN.UTF-8"}
"""A locale that need not exist on this machine: Python's gettext reads the variables, not the C library's locale."""
ENGLISH = BY_LANG | {"LANG": "en_US.UTF-8"}


def shown(*arguments: str, **variables: str) -> str:
    with run_directory() as run:
        done = vukey(*arguments, run=run, stdin="", inside=None, **variables)
    return done.stdout + done.stderr


def sentences(text: str) -> set[str]:
    """English ones; commands are none."""
    return {part for part in SENTENCE.findall(text) if "vukey " not in part}


@pytest.mark.parametrize("arguments", HELPS, ids=" ".join)
def test_help_is_chinese(arguments: tuple[str, ...]) -> None:
    text = shown(*arguments, **BY_LANGUAGE)
    assert "选项" in text
    assert len(CHINESE.findall(text)) > 40
    assert sentences(text) == set()


@pytest.mark.parametrize("arguments", [HELPS[0], ERROR], ids=" ".join)
def test_lang_alone_is_enough(arguments: tuple[str, ...]) -> None:
    assert shown(*arguments, **BY_LANG) == shown(*arguments, **BY_LANGUAGE)


def test_an_error_is_one_chinese_line() -> None:
    text = shown(*ERROR, **BY_LANGUAGE)
    assert text.count("\n") == 1
    assert CHINESE.search(text)
    assert "perhaps" in text
    assert sentences(text) == set()


@pytest.mark.parametrize("arguments", [*HELPS, ERROR], ids=" ".join)
def test_english_stays_english(arguments: tuple[str, ...]) -> None:
    text = shown(*arguments, **ENGLISH)
    assert sentences(text)
    assert not CHINESE.search(text)


def test_json_stays_english() -> None:
    assert shown("profiles", "--json", **BY_LANGUAGE) == shown("profiles", "--json", **ENGLISH)
