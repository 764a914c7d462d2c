"""SignedData judged by code that is not ours: openssl reads the structure and verifies, or BouncyCastle does both."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from shutil import which
from typing import NamedTuple

import pytest

from tests.rig.cli import openssl

JARS = [Path("/usr/share/java") / f"bc{part}.jar" for part in ("prov", "pkix", "util")]
"""Debian's libbcpkix-java."""
_LINE = re.compile(r"\s*(\d+):d=(\d+)\s+hl=(\d+)\s+l=\s*(\d+) (?:prim|cons): (.+?)\s*(?::(.*))?")


class Element(NamedTuple):
    """One line of `openssl asn1parse`: where it is, how deep, and what."""

    offset: int
    depth: int
    end: int
    header: int
    kind: str
    text: str


def elements(der: bytes) -> list[Element]:
    """All of a structure, as openssl reads it."""
    found = []
    done = subprocess.run(
        ["openssl", "asn1parse", "-inform", "DER"], input=der, capture_output=True, check=True
    )
    for line in done.stdout.decode(errors="replace").splitlines():
        if match := _LINE.fullmatch(line):
            offset, depth, header, length = map(int, match.groups()[:4])
            found.append(
                Element(
                    offset,
                    depth,
                    offset + header + length,
                    header,
                    match[5].removesuffix("[HEX DUMP]").strip(),
                    match[6] or "",
                )
            )
    return found


def objects(der: bytes) -> list[str]:
    """The object identifiers outside the certificates and names, with a NULL where one follows."""
    inside = _certificates(elements(der))
    found = []
    for element in elements(der):
        if inside.offset <= element.offset < inside.end or element.text.endswith("Name"):
            continue
        if element.kind == "OBJECT":
            found.append(element.text)
        if element.kind == "NULL":
            found.append("NULL")
    return found


def _certificates(found: list[Element]) -> Element:
    return next(element for element in found if element.depth == 3 and element.kind == "cont [ 0 ]")


def openssl_verifies_sm2(der: bytes, directory: Path, message: bytes | None = None) -> bool:
    """Whether openssl verifies the signature with Z of the default ID, under the certificate that is inside.

    :param message: None: the one that is inside.
    """
    found = elements(der)
    certificates = _certificates(found)
    inside = next(e for e in found if e.offset > certificates.offset and e.depth == 4)
    if message is None:
        octets = next(
            e for e in found if e.depth == 5 and e.kind == "OCTET STRING" and e.end <= certificates.offset
        )
        message = der[octets.offset + octets.header : octets.end]
    signed = next(e for e in reversed(found) if e.depth == 5 and e.kind == "OCTET STRING")
    for name, content in (
        ("certificate.der", der[inside.offset : inside.end]),
        ("message.bin", message),
        ("signature.der", der[signed.offset + signed.header : signed.end]),
    ):
        (directory / name).write_bytes(content)
    key = openssl("x509", "-inform", "DER", "-in", directory / "certificate.der", "-noout", "-pubkey")
    (directory / "key.pem").write_text(key)
    done = subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-rawin", "-digest", "sm3", "-pkeyopt", "distid:1234567812345678",
         "-pubin", "-inkey", directory / "key.pem", "-in", directory / "message.bin",
         "-sigfile", directory / "signature.der"],
        capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode == 0


def bouncy_castle_verifies(file: Path, message: Path | None = None) -> bool:
    """Whether BouncyCastle's CMS verifies a SignedData (DER) under the certificate that is inside."""
    if not which("javac") or not all(jar.exists() for jar in JARS):
        stop = pytest.fail if "CI" in os.environ else pytest.skip
        stop("for BouncyCastle's opinion: apt-get install libbcpkix-java default-jdk-headless")
    program = Path(__file__).with_name("VerifySignedData.java")
    path = ":".join(map(str, JARS))
    files = [file] if message is None else [file, message]
    done = subprocess.run(["java", "-cp", path, program, *files], capture_output=True, text=True, check=True)
    return done.stdout.strip() == "true"
