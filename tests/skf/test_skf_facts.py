"""What the C library has a second time: dialects, run files, the digests and the cipher of the PIN protocol."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from protocols.dialect import DIALECTS, Dialect
from protocols.ins import Ins
from protocols.runfile import RunFile
from tests.rig.skf import PROGRAMS, SOURCES, compiled

HEAD = b'{"serial": "1", "pid": 7, '


@pytest.fixture(scope="module")
def facts() -> Path:
    sources = [PROGRAMS / "facts.c", *(SOURCES / f"{name}.c" for name in ("dialect", "runfile", "secrets"))]
    return compiled("facts", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", *sources)


def told(facts: Path, *arguments: str, data: bytes = b"") -> str:
    return subprocess.run([facts, *arguments], input=data, capture_output=True, check=True).stdout.decode()


def in_words(dialect: Dialect) -> str:
    values = [
        dialect.name,
        dialect.byte_order,
        dialect.pin_block,
        dialect.line_mac,
        dialect.application_name,
        dialect.file_name,
        dialect.container_name,
        dialect.envelope,
        dialect.envelope_key,
        int(dialect.rsa_import_bits),
        dialect.session_key_answer,
        dialect.ext_cipher,
        int(dialect.ext_signature_bits),
        dialect.cipher_parameters,
        int(dialect.decrypt_init_algorithm),
        dialect.generate_rsa_p1,
    ]
    numbers = {ins: dialect.number(ins) for ins in Ins}
    others = [f"{ins:x}:{n:x}" if n else f"{ins:x}:none" for ins, n in sorted(numbers.items()) if n != ins]
    return " ".join(map(str, values + [other for other in others if not is_unknown(other)]))


def is_unknown(other: str) -> bool:
    """A command without a number in the default dialect: the library says so of every number above FF."""
    return other.endswith(":none") and len(other.partition(":")[0]) > 2


def test_dialects_are_those_of_the_key(facts: Path) -> None:
    lines = told(facts, *DIALECTS).splitlines()
    read = [" ".join(word for word in line.split() if not is_unknown(word)) for line in lines]
    assert read == [in_words(dialect) for dialect in DIALECTS.values()]
    assert told(facts, "no such dialect").split()[0] == "default"


@pytest.mark.parametrize("name", DIALECTS)
def test_no_dialect_has_status_words_of_its_own(name: str) -> None:
    """The library would have to translate them."""
    assert not DIALECTS[name].private_sw


def test_digests_and_sm4_are_others(facts: Path) -> None:
    """Beside hashlib and OpenSSL."""
    text = os.urandom(0x120)
    lines = told(facts, "digests", data=text).splitlines()
    wanted = [hashlib.sha1(text[:size], usedforsecurity=False).hexdigest() for size in range(len(text) + 1)]
    for at in range(0, len(text), 32):
        encryptor = Cipher(algorithms.SM4(text[at : at + 16]), modes.ECB()).encryptor()
        wanted.append(encryptor.update(text[at + 16 : at + 32]).hex())
    assert lines == wanted


@pytest.mark.parametrize("socket", ['/run/用户/key "1"\\.sock', None])
def test_a_run_file(facts: Path, socket: str | None) -> None:
    told_by_key = RunFile(
        12345, "12 \u00e9", "p", "m", ("socket", "vpcd"), socket, "http://x", "t", "sunyard"
    )
    escaped = json.dumps(json.loads(told_by_key.encode())).encode()  # characters as \\uXXXX
    for raw in (told_by_key.encode(), escaped):
        assert told(facts, "run-file", data=raw) == f"12345|12 \u00e9|{socket or ''}|sunyard\n"


@pytest.mark.parametrize(
    ("rest", "wanted"),
    [
        (b'"socket": "/a", "more": [1, {"a": [true, null, -1.5e3]}, "x"]}', "7|1|/a|default"),
        (b'"socket": 5}', "7|1||default"),
        (b'"socket": ["/a"]}', "7|1||default"),
        (b'"socket": "/' + b"a" * 200 + b'"}', "7|1||default"),
        (b'"dialect": "' + b"a" * 200 + b'"}', "7|1||"),
        (b'"pid": 99999999999999999999}', "0|1||default"),
        (b'"pid": "5"}', "0|1||default"),
        (rb'"socket": "\ud83d\ude00"}', "7|1|\U0001f600|default"),
    ],
)
def test_run_files_of_another_kind(facts: Path, rest: bytes, wanted: str) -> None:
    assert told(facts, "run-file", data=HEAD + rest) == wanted + "\n"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"{}",
        b"[]",
        b'"serial"',
        HEAD,
        HEAD[:-2],
        HEAD + b'"a"}',
        HEAD + b'"a": }',
        HEAD + b'"a": "\\',
        HEAD + b'"a": "\\x"}',
        HEAD + b'"a": "\\u00"}',
        HEAD + b'"a": "\\u0000"}',
        HEAD + b'"a": "\\ud83d"}',
        HEAD + b'"a": "\\ud83dxxxxxx"}',
        HEAD + b'"a": "b\0c"}',
        HEAD + b'"a": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b"\0" * 100,
        bytes(range(256)),
    ],
)
def test_what_is_no_run_file(facts: Path, raw: bytes) -> None:
    assert told(facts, "run-file", data=raw) == "none\n"
