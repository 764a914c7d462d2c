"""A virtual key by Bluetooth and a person at another computer: each program a process of its own, its adapter at a
pseudo-terminal, and between the adapters a radio without waves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from emulator.links.ble.radio import Radio
from hostdriver.errors import Exit
from tests.rig.cli import PIN, Started, Terminal, Up, failing, run_directory, vukey
from tests.rig.messages import TRANSFER

MODEL = ("--profile", "bocom-ble-feitian")


class Air(NamedTuple):
    """Where programs find their adapters."""

    run: Path
    of_key: str
    of_host: str

    @property
    def state(self) -> str:
        """Where hosts keep what was agreed on."""
        return str(self.run / "state")


@pytest.fixture
def air() -> Iterator[Air]:
    with run_directory() as run, closing(Radio()) as radio:
        (run / "message.xml").write_bytes(TRANSFER)
        for name in ("key", "host"):
            radio.lend_adapter(f"pty:{run / name}")
        yield Air(run, f"file:{run / 'key'}", f"file:{run / 'host'}")


def on_screen(air: Air) -> str:
    return vukey("key", "screen", run=air.run).stdout


@contextmanager
def pairing(air: Air, token: str) -> Iterator[Terminal]:
    """A host at a terminal that has found the key; both show the same number."""
    with Terminal(air.run, "host", "info", "--json", "--token", token, XDG_STATE_HOME=air.state) as host:
        number = host.wait_for(r"Does the key show (\d{6})\?")[1]
        assert number in vukey("key", "wait", number, run=air.run).stdout + on_screen(air)
        yield host


def test_a_person_pairs_and_programs_sign(air: Air) -> None:
    with Up(air.run, *MODEL, "--link", f"ble:{air.of_key}", "--panel") as key:
        token = f"ble:{key.serial}@{air.of_host}"
        with pairing(air, token) as host:
            vukey("key", "press", "ok", run=air.run)
            host.type("y\n")
            assert host.wait() == 0
            assert f'"serial": "{key.serial}"' in host.text
        bonds = air.run / "state" / "vukey" / "bonds.json"
        assert bonds.stat().st_mode & 0o777 == 0o600
        with Started(
            "host", "sign", air.run / "message.xml", "--alg", "sm2", "--token", token,
            run=air.run, VUKEY_PIN=PIN, XDG_STATE_HOME=air.state,
        ) as signing:  # fmt: skip
            vukey("key", "wait", "张三", run=air.run)
            vukey("key", "press", "ok", run=air.run)
            assert signing.wait() == 0
        assert len(bytes.fromhex(signing.out.all()[-1])) == 64


def test_a_key_that_is_switched_off_and_on(air: Air) -> None:
    with Up(air.run, *MODEL, "--link", f"ble:{air.of_key}", "--panel") as key:
        assert "on" in vukey("key", "status", run=air.run).stdout
        vukey("key", "press", "power", run=air.run)
        key.err.wait_for("ble: switched off")
        vukey("key", "plug", run=air.run)
        key.err.wait_for("ble: can be found", count=2)
        vukey("key", "unplug", run=air.run)
        key.err.wait_for("ble: switched off", count=2)


def test_o_is_its_power_button(air: Air) -> None:
    with Terminal(air.run, "up", *MODEL, "--link", f"ble:{air.of_key}") as key:
        key.wait_for("ble: can be found")
        key.wait_for("O = on/off")
        for stroke, state in (("o", "switched off"), ("O", "can be found")):
            key.type(stroke)
            key.wait_for(f"ble: {state}")
        key.type("\x03")
        assert key.wait() == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pressed", "answer", "said"), [("cancel", "y", "refused on the key"), ("ok", "n", "nobody has said")]
)
def test_who_finds_another_number_is_not_paired(air: Air, pressed: str, answer: str, said: str) -> None:
    with Up(air.run, *MODEL, "--link", f"ble:{air.of_key}", "--panel") as key:
        with pairing(air, f"ble:{key.serial}@{air.of_host}") as host:
            if answer == "n":
                host.type("n\n")
            else:
                vukey("key", "press", pressed, run=air.run)
            assert host.wait() == Exit.CANCELLED
            assert said in host.text
        assert not (air.run / "state").exists()


def test_without_a_terminal_nobody_is_paired(air: Air) -> None:
    with Up(air.run, *MODEL, "--link", f"ble:{air.of_key}") as key:
        token = f"ble:{key.serial}@{air.of_host}"
        asked = vukey("host", "info", "--token", token, run=air.run, XDG_STATE_HOME=air.state)
        assert asked.returncode == Exit.CANCELLED
        assert "run it once at a terminal" in asked.stderr


def test_what_cannot_be_had(air: Air) -> None:
    no_adapter = ("--link", f"ble:file:{air.run}/none")
    assert "the Bluetooth adapter cannot be had" in failing(2, "up", *MODEL, *no_adapter, run=air.run)
    assert "has no Bluetooth" in failing(2, "up", "--link", f"ble:{air.of_key}", run=air.run)
    token = ("--token", f"ble:66123456@file:{air.run}/none")
    assert "no Bluetooth adapter" in failing(Exit.MISSING_COMPONENT, "host", "info", *token, run=air.run)
