"""`vukey bench` as a person and a script use it, on a key in a process of its own."""

from __future__ import annotations

import csv
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.rig.cli import PIN, Started, Up, failing, profile_file, run_directory, vukey
from tests.rig.skf import library
from tests.rig.softhsm import MODULE, USER_PIN, SoftHsm

MODEL = "icbc-1g-gd"
"""It has no display and no button: signatures want the PIN alone."""
ASKS = 'confirm.ok_dead_ms = { value = 0, source = "assumed" }'


@pytest.fixture
def run() -> Iterator[Path]:
    with run_directory() as directory:
        yield directory


@pytest.fixture
def key(run: Path) -> Iterator[Up]:
    with Up(run, "--link", "socket", "--profile", MODEL) as key:
        yield key


def test_a_run_and_its_files(run: Path, key: Up) -> None:
    files = [run / name for name in ("b.csv", "b.svg", "b.png")]
    options = [text for file in files for text in (f"--{file.suffix[1:]}", file)]
    sizes = ("--size", "200", "--generate", "--count", "2")
    done = vukey("bench", *sizes, *options, "--json", run=run, VUKEY_PIN=PIN)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    operations = [(each["operation"], each["algorithm"], each["size"]) for each in result["series"]]
    assert operations == [
        ("verify-pin", "", 0),
        ("random", "", 32),
        ("sign", "RSA-1024", 32),
        ("sign", "RSA-1024", 200),
        ("generate", "RSA-1024", 0),
    ]
    assert all(len(each["samples_ms"]) == each["count"] == 2 for each in result["series"])
    rows = list(csv.DictReader(files[0].read_text().splitlines()))
    assert [(row["operation"], row["algorithm"], int(row["size"])) for row in rows] == operations
    assert [float(row["p50_ms"]) for row in rows] == [each["p50_ms"] for each in result["series"]]
    assert {row["way"] for row in rows} == {"socket"}
    text = "".join(element.text or "" for element in ElementTree.parse(files[1]).iter())
    assert "sign RSA-1024 200 bytes" in text
    assert files[2].read_bytes().startswith(b"\x89PNG")
    assert key.serial not in done.stdout + files[0].read_text() + text
    containers = json.loads(vukey("host", "info", "--json", run=run).stdout)["applications"][0]["containers"]
    assert [container["name"] for container in containers] == ["RSA-SIGN"]


@pytest.mark.slow
def test_a_table_for_a_person_with_the_serial_number_that_was_asked_for(run: Path, key: Up) -> None:
    done = vukey("bench", "--count", "2", "--with-serial", run=run, VUKEY_PIN=PIN)
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["milliseconds", "n", "/s", "p50", "p95", "p99", "max"]
    assert [line.split()[:2] for line in lines[1:4]] == [
        ["verify-pin", "2"],
        ["random", "32"],
        ["sign", "RSA-1024"],
    ]
    assert key.serial in done.stdout
    assert "of a real key's 10 ms" in lines[-1]


def test_what_waited_for_a_person_is_nobodys_rate(run: Path) -> None:
    model = profile_file(run, "asks", "icbc-2g-feitian", ASKS)
    with Up(run, "--link", "socket", "--profile", model, "--approve", "always"):
        options = ("--alg", "sm2", "--count", "2", "--press", "--json")
        done = vukey("bench", *options, run=run, VUKEY_PIN=PIN)
    *_others, signed = json.loads(done.stdout)["series"]
    assert (signed["algorithm"], signed["pressed"], signed["rate"]) == ("SM2", True, None)
    assert "press OK there each time" in done.stderr


@pytest.mark.slow
def test_a_wrong_pin_costs_one_try(run: Path, key: Up) -> None:
    line = failing(5, "bench", run=run, VUKEY_PIN="000000")
    assert line == "vukey: wrong PIN, 5 tries left"


def test_options_that_exclude_each_other_are_one_line(run: Path) -> None:
    line = failing(2, "bench", "--count", "1", "--seconds", "1", run=run, VUKEY_PIN=PIN)
    assert "exclude each other" in line


def test_a_file_that_cannot_be_written_is_said_before_the_key_is_touched(run: Path) -> None:
    line = failing(1, "bench", "--csv", run / "none" / "b.csv", run=run, VUKEY_PIN=PIN)
    assert line.endswith("b.csv cannot be written")


@pytest.fixture
def asking(run: Path) -> Iterator[tuple[Up, Started]]:
    """A display key that nobody presses OK on, and a run that waits for that in its third series."""
    files = ("--csv", run / "b.csv", "--svg", run / "b.svg")
    with (
        Up(run, "--link", "socket") as key,
        Started("bench", "--count", "2", *files, run=run, own_group=True, VUKEY_PIN=PIN) as bench,
    ):
        bench.err.wait_for("press OK there each time")
        yield key, bench


def measured(bench: Started) -> list[str]:
    lines = bench.out.all()
    assert lines[0].startswith("milliseconds")
    return [line.split()[0] for line in lines[1:3]]


def test_ctrl_c_prints_what_was_measured(run: Path, asking: tuple[Up, Started]) -> None:
    _key, bench = asking
    assert bench.stop(signal.SIGINT) == 130
    assert measured(bench) == ["verify-pin", "random"]
    assert [row["count"] for row in csv.DictReader((run / "b.csv").read_text().splitlines())] == ["2", "2"]
    assert ElementTree.parse(run / "b.svg").getroot().tag.endswith("svg")


def test_a_key_that_is_pulled_out_in_the_middle_is_one_line_below_what_was_measured(
    run: Path, asking: tuple[Up, Started]
) -> None:
    key, bench = asking
    key.stop()
    assert bench.wait() == 15
    assert measured(bench) == ["verify-pin", "random"]
    assert bench.err.all()[-1].startswith("vukey: ")


@pytest.mark.slow
def test_json_of_a_run_that_failed_is_nothing(run: Path) -> None:
    with Up(run, "--link", "socket", "--approve", "never"):
        done = vukey("bench", "--count", "1", "--json", run=run, VUKEY_PIN=PIN)
    assert (done.returncode, done.stdout) == (9, "")


@pytest.mark.slow
def test_a_key_behind_an_skf_library(run: Path, key: Up) -> None:
    options = ("--token", f"skf:{library()}", "--count", "2", "--generate", "--size", "200", "--json")
    done = vukey("bench", *options, run=run, VUKEY_PIN=PIN)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["circumstances"]["way"] == f"skf:{library().name}"
    assert result["overhead"]["layers"] == "runner and calls by ctypes"
    assert [each["operation"] for each in result["series"]] == [
        "verify-pin",
        "random",
        "sign",
        "sign",
        "generate",
    ]
    assert key.serial not in done.stdout


@pytest.mark.slow
def test_a_key_behind_a_pkcs11_module(run: Path, tmp_path: Path) -> None:
    """Key pairs are made by that way too, and gone afterwards: pkcs11-tool sees the one that was there before."""
    hsm = SoftHsm(tmp_path)
    hsm.add("one")
    hsm.add_key()
    options = ("--token", f"pkcs11:{MODULE}", "--count", "2", "--generate", "--json")
    done = vukey(
        "bench", *options, run=run, VUKEY_PIN=USER_PIN, SOFTHSM2_CONF=hsm.environment["SOFTHSM2_CONF"]
    )
    assert done.returncode == 0, done.stderr
    operations = [each["operation"] for each in json.loads(done.stdout)["series"]]
    assert operations == ["verify-pin", "random", "sign", "generate"]
    assert hsm.tool("--list-objects", "--type", "privkey").count("Private Key Object") == 1


@pytest.mark.slow
def test_a_key_on_a_serial_line(run: Path) -> None:
    with Up(run, "--link", "serial", "--profile", MODEL):
        done = vukey("bench", "--token", "serial", "--count", "2", "--json", run=run, VUKEY_PIN=PIN)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["circumstances"]["way"] == "serial"
    assert [each["operation"] for each in result["series"]] == ["verify-pin", "random", "sign"]
