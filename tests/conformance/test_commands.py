"""Every row of docs/commands.md, driven: what each command wants, and what it answers when that is missing (G20-G22).

The page is made from the firmware's own table; here is whether the firmware does what its table says.
"""

from __future__ import annotations

import pytest

from docs.generate_commands import PAGE, page
from emulator.firmware.applets.gmt import COMMANDS
from emulator.firmware.applets.gmt.table import Need
from protocols.apdu import Command, encode_command
from protocols.dialect import DEFAULT
from protocols.gmt import CLA_MAC, CLA_PLAIN, Ins
from protocols.sw import SW
from tests.rig.commands import Caller
from tests.rig.good import GOOD, good
from tests.rig.key import KeyRig

pytestmark = [
    pytest.mark.profile("icbc-2g-feitian"),  # takes its initial PIN back
    pytest.mark.limits(activation="host", pin__user__cache="session"),
]
ROWS = sorted(
    (spec for spec in COMMANDS.values() if DEFAULT.number(spec.ins) is not None), key=lambda spec: spec.ins
)


def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: python docs/generate_commands.py"


def test_every_command_has_a_valid_call() -> None:
    assert set(GOOD) == set(COMMANDS)


@pytest.mark.parametrize("ins", [spec.ins for spec in ROWS], ids=lambda ins: ins.name)
def test_with_everything_fulfilled_it_is_done(rig: KeyRig, ins: Ins) -> None:
    assert good(Caller(rig), ins) == SW.OK


@pytest.mark.parametrize("need", Need, ids=lambda need: need.name)
def test_with_one_precondition_missing_it_answers_that_ones_status(rig: KeyRig, need: Need) -> None:
    caller = Caller(rig, lacks=need)
    wanting = [spec.ins for spec in ROWS if need in spec.needs]
    assert wanting
    assert {ins: good(caller, ins) for ins in wanting} == dict.fromkeys(wanting, need.sw)


def test_wrong_classes(rig: KeyRig) -> None:
    wanted = {
        spec.ins: SW.MAC_MISSING if spec.cla == CLA_MAC else SW.SECURE_MESSAGING_NOT_SUPPORTED
        for spec in ROWS
    }
    other = {CLA_MAC: CLA_PLAIN, CLA_PLAIN: CLA_MAC}
    assert {spec.ins: rig.status(bytes((other[spec.cla], spec.ins, 0, 0))) for spec in ROWS} == wanted


def test_wrong_parameters(rig: KeyRig) -> None:
    """Every value of P1 and of P2 that the row does not have."""
    for spec in ROWS:
        good_p1, good_p2 = next(iter(spec.p1)), next(iter(spec.p2))
        wrong = [(p1, good_p2) for p1 in range(0, 256, 3) if p1 not in spec.p1]
        wrong += [(good_p1, p2) for p2 in (1, 2, 5, 127, 255) if p2 not in spec.p2]
        for p1, p2 in wrong:
            assert rig.status(bytes((spec.cla, spec.ins, p1, p2))) == SW.WRONG_P1_P2, (spec.ins, p1, p2)


def test_wrong_lengths(rig: KeyRig) -> None:
    """One byte too few, one too many."""
    for spec in ROWS:
        for size in (spec.lc.start - 1, spec.lc.stop):
            if 0 <= size < 0xFFFF:
                apdu = encode_command(
                    Command(
                        spec.cla, spec.ins, next(iter(spec.p1)), next(iter(spec.p2)), bytes(size), 0x10000
                    )
                )
                assert rig.status(apdu) == SW.WRONG_LENGTH, (spec.ins, size)
