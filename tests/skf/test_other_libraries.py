"""`hostdriver.skf` over libraries of other makers: what they do differently, and files that are none."""

from __future__ import annotations

import ctypes
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hostdriver import tokens
from hostdriver.errors import (
    AnswerError,
    Exit,
    HostError,
    NewPinRefusedError,
    NoKeyError,
    NotFoundError,
    NotLoggedInError,
    NotSupportedError,
    PinIncorrectError,
    SeveralKeysError,
)
from hostdriver.skf import SkfFailedError, SkfToken, device_names
from hostdriver.skf.habits import HabitsError
from hostdriver.skf.library import Library
from hostdriver.token import Algorithm, ContainerFacts, Event, PinFacts
from protocols import sm2
from protocols.gmt import HashAlgorithm, SignInput
from tests.rig.messages import VECTORS
from tests.rig.verifiers import sm2_digest
from vukey import app

SOURCE = Path(__file__).parents[1] / "rig" / "other_skf.c"
VECTOR = json.loads((VECTORS / "display-key.json").read_text())
MESSAGE = (VECTORS / "display-key.xml").read_bytes()
KEY = sm2.PublicKey(int(VECTOR["x"], 16), int(VECTOR["y"], 16))
SIGNATURE = bytes.fromhex(VECTOR["r"] + VECTOR["s"])
DIGEST_INFO = {  # RFC 8017 §9.2, note 1
    HashAlgorithm.SHA1: bytes.fromhex("3021300906052b0e03021a05000414"),
    HashAlgorithm.SHA256: bytes.fromhex("3031300d060960864801650304020105000420"),
}
MAKERS = {"as the standard": (), "otherwise": ("-DLEFT", "-DNAMES_40", "-DSHIFTED")}


def compiled(directory: Path, source: Path, *options: str) -> Path:
    library = directory / "libother.so"
    numbers = {name.upper(): bytes.fromhex(VECTOR[name]) for name in "xyrs"}
    numbers["E"] = sm2_digest(KEY, MESSAGE)
    rows = (
        f"static const uint8_t {name}[32] = {{{','.join(map(str, raw))}}};" for name, raw in numbers.items()
    )
    (directory / "vector.h").write_text("\n".join(rows))
    command: tuple[str | Path, ...] = (
        "cc",
        "-shared",
        "-fPIC",
        "-pthread",
        f"-I{directory}",
        *options,
        "-o",
        library,
        source,
    )
    subprocess.run(command, check=True)
    return library


@pytest.fixture(scope="module", params=MAKERS)
def maker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("maker"), SOURCE, *MAKERS[request.param])


@pytest.fixture(scope="module")
def standard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("standard"), SOURCE)


@pytest.fixture
def other(maker: Path) -> Iterator[SkfToken]:
    with tokens.open_token(f"skf:{maker}: 1") as opened:
        assert isinstance(opened, SkfToken)
        yield opened


def test_what_it_says_of_itself(other: SkfToken, maker: Path) -> None:
    info = other.info()
    assert (info.manufacturer, info.label, info.serial) == ("Other", "label", "S1")
    assert info.token == other.name == f"skf:{maker}:\udcc9\udccc 1"
    assert other.applications() == ["APP"]
    assert not other.shows_messages
    its = other.application()
    assert its.pin_facts() == PinFacts(3, 3, initial=True)
    assert [its.container(name).facts() for name in its.containers()] == [
        ContainerFacts("ECC", "SM2", Algorithm.SM2, 256, False, 0, False),
        ContainerFacts("RSA", "RSA", Algorithm.RSA, 0, False, 0, False),
        ContainerFacts("EMPTY", "EMPTY", None, 0, False, 0, False),
    ]


def test_a_published_signature_over_a_message(other: SkfToken) -> None:
    """The host hashes with Z of the container's key; the numbers are found wherever they stand."""
    its = other.application()
    held = its.find_container(algorithm=Algorithm.SM2)
    with pytest.raises(NotLoggedInError):
        held.sign(MESSAGE, SignInput.MESSAGE)
    its.verify_pin("135790")
    assert held.public_key() == KEY
    assert held.sign(MESSAGE, SignInput.MESSAGE) == SIGNATURE
    assert held.sign(sm2_digest(KEY, MESSAGE), SignInput.DIGEST) == SIGNATURE
    with pytest.raises(SkfFailedError, match="0A000011, SAR_INDATAERR") as refused:
        held.sign(bytes(32), SignInput.DIGEST)
    assert refused.value.exit_code is Exit.FAILED


def test_numbers_go_where_the_library_expects_them(other: SkfToken) -> None:
    signature = sm2.Signature.parse(SIGNATURE)
    other.application().container("ECC").public_key()
    assert other.device.verify_sm2(KEY, bytes(32), signature)
    other.device.library.see(
        alignment="left" if other.device.library.habits.alignment == "right" else "right"
    )
    with pytest.raises(SkfFailedError, match=r"answered 0A0000AA$"):
        other.device.verify_sm2(KEY, bytes(32), signature)


def test_a_key_pair_under_the_librarys_own_number_of_sm2(other: SkfToken) -> None:
    assert other.application().container("EMPTY").generate(Algorithm.SM2) == KEY


def test_file_names_of_32_and_40_bytes(other: SkfToken) -> None:
    opened = other.device.open_application("APP")
    facts = opened.file_info("file")
    assert facts == ("file", 1234, 0xFF, 0x10)
    with pytest.raises(NotFoundError):
        opened.file_info("none")


def test_what_rsa_signs(standard: Path) -> None:
    """The library's stand-in answers what it was given: the DigestInfo, or the bare digest where that is said."""
    with tokens.open_token(f"skf:{standard}: 1") as opened:
        rsa = opened.application().container("RSA")
        for code, head in DIGEST_INFO.items():
            assert rsa.sign(bytes(len(head) + 1), SignInput.DIGEST, code)[: len(head)] == head
    with tokens.open_token(f"skf:{standard}: 1", "digest, names-40") as opened:
        assert opened.application().container("RSA").sign(b"d" * 32, SignInput.DIGEST) == b"d" * 32


def test_said_habits_stay(maker: Path) -> None:
    with tokens.open_token(f"skf:{maker}: 1", "left,sm2-20100") as opened:
        assert isinstance(opened, SkfToken)
        opened.application().container("ECC").public_key()
        habits = opened.device.library.habits
        assert (habits.alignment, habits.sm2_sign, habits.sm2_encrypt) == ("left", 0x00020100, 0x00020400)
    with pytest.raises(HabitsError, match="--dialect middle"):
        tokens.open_token(f"skf:{maker}", "middle")


def test_pins(other: SkfToken) -> None:
    its = other.application()
    with pytest.raises(PinIncorrectError) as wrong:
        its.verify_pin("000000")
    assert wrong.value.left == 2
    its.verify_pin("135790")
    with pytest.raises(NewPinRefusedError):
        its.change_pin("135790", "1")


def test_functions_that_the_library_lacks(other: SkfToken) -> None:
    its = other.application()
    for call in (
        lambda: its.unblock_pin("1", "2"),
        lambda: its.create_container("NEW"),
        lambda: its.container("ECC").certificate(),
        lambda: its.container("ECC").activate("1"),
        lambda: other.random(8),
        its.verify_pin_on_keypad,
    ):
        with pytest.raises(NotSupportedError) as missing:
            call()
        assert missing.value.exit_code is Exit.NOT_UNDERSTOOD
    assert its.container("ECC").activation() is None


def test_a_name_that_the_library_would_see_otherwise(other: SkfToken) -> None:
    with pytest.raises(Exception, match="NUL"):
        other.application().verify_pin("135790\0x")


# Which of its keys


def test_several_keys_and_none(maker: Path) -> None:
    with pytest.raises(SeveralKeysError, match=f"skf:{maker}:second"):
        tokens.open_token(f"skf:{maker}")
    with pytest.raises(NoKeyError, match="no key “third”"):
        tokens.open_token(f"skf:{maker}:third")
    listed = tokens.library_keys(f"skf:{maker}")
    assert [(key.token.removeprefix(f"skf:{maker}:"), key.serial) for key in listed] == [
        ("\udcc9\udccc 1", "S1"),
        ("second", ""),
    ]


def test_names_that_are_no_text_on_the_command_line(standard: Path) -> None:
    for arguments in (("list", "--json"), ("list",)):
        shown = CliRunner().invoke(app, ["host", *arguments, "--token", f"skf:{standard}"])
        assert shown.exit_code == 0
        assert r"\udcc9\udccc 1" in shown.stdout
        if "--json" in arguments:
            assert json.loads(shown.stdout)[0]["token"] == f"skf:{standard}:\udcc9\udccc 1"


def test_a_path_with_a_colon(standard: Path, tmp_path: Path) -> None:
    library = tmp_path / "a:b.so"
    library.symlink_to(standard)
    with tokens.open_token(f"skf:{library}: 1") as opened:
        assert opened.info().serial == "S1"


# Events


def test_a_key_comes_and_goes(other: SkfToken, maker: Path) -> None:
    happen = ctypes.CDLL(str(maker)).happen
    for number, event in ((1, Event.PLUGGED), (2, Event.UNPLUGGED)):
        threading.Thread(target=happen, args=(number,)).start()
        assert other.wait_for_event(30) is event
    assert other.wait_for_event(0.01) is None
    other.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "skf-events"]


# A library that answers nonsense


class Lying(Library):
    """Announces these sizes one after the other, the last one for ever; SAR_OK only to who asks without a buffer."""

    def __init__(self, path: Path, code: int, *sizes: int) -> None:
        super().__init__(str(path))
        self._code = code
        self._sizes = [*sizes]

    def _function(self, name: str) -> Callable[..., int]:
        def answer(*arguments: Any) -> int:
            arguments[-1]._obj.value = self._sizes.pop(0) if len(self._sizes) > 1 else self._sizes[0]
            return self._code if arguments[-2] else 0

        return answer


@pytest.mark.parametrize(
    ("code", "sizes", "line"),
    [
        (0, (0xFFFFFFFF,), "announces 4294967295 bytes"),
        (0, (10, 11), "announces 11 bytes"),
        (0x0A000020, (10, 11), "does not end"),
    ],
)
def test_sizes_that_make_no_sense(standard: Path, code: int, sizes: tuple[int, ...], line: str) -> None:
    with pytest.raises(AnswerError, match=line):
        device_names(Lying(standard, code, *sizes))


def test_a_list_that_grows_while_it_is_asked_for(standard: Path) -> None:
    class Growing(Lying):
        def _function(self, name: str) -> Callable[..., int]:
            lie = super()._function(name)

            def answer(*arguments: Any) -> int:
                if arguments[-2] and len(arguments[-2]) == 4:
                    ctypes.memmove(arguments[-2], b"A\0\0\0", 4)
                    return 0
                return lie(*arguments)

            return answer

    assert device_names(Growing(standard, 0x0A000020, 2, 4)) == ["A"]


# No SKF library


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("/nowhere/libskf.so", "/nowhere/libskf.so cannot be read: No such file or directory"),
        ("libnowhere-skf.so", "libnowhere-skf.so cannot be loaded: .*cannot open shared object file"),
        (__file__, "test_other_libraries.py is no shared library"),
        ("libc.so.6", "libc.so.6 is no SKF library: it has no SKF_EnumDev"),
    ],
)
def test_no_library(name: str, line: str) -> None:
    with pytest.raises(HostError, match=line) as refused:
        tokens.open_token(f"skf:{name}")
    assert refused.value.exit_code is Exit.MISSING_COMPONENT


@pytest.mark.parametrize(("at", "byte"), [(4, 1), (18, 183)], ids=["of 32 bits", "of aarch64"])
def test_a_library_for_another_processor(standard: Path, tmp_path: Path, at: int, byte: int) -> None:
    foreign = bytearray(standard.read_bytes())
    foreign[at] = byte if foreign[at] != byte else byte + 1
    (tmp_path / "lib.so").write_bytes(foreign)
    with pytest.raises(HostError, match="is for another kind of processor"):
        Library(str(tmp_path / "lib.so"))


def test_a_damaged_library(standard: Path, tmp_path: Path) -> None:
    (tmp_path / "lib.so").write_bytes(standard.read_bytes()[:60])
    with pytest.raises(HostError, match=r"lib.so cannot be loaded"):
        Library(str(tmp_path / "lib.so"))
