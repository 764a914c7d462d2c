"""`vukey bench` without its command line: figures, the runner, what is done to a key, the picture."""

from __future__ import annotations

import csv
import gc
import io
import json
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostdriver.apdu_token import ApduToken
from hostdriver.errors import (
    DigestRefusedError,
    HostError,
    KeyRemovedError,
    NotLoggedInError,
    PinIncorrectError,
)
from hostdriver.measuring import bench
from hostdriver.measuring.circumstances import Circumstances, commit, way
from hostdriver.measuring.jobs import (
    CONTAINER,
    LEAST_MESSAGE,
    ContainerTakenError,
    Job,
    LastTryError,
    Login,
    log_in,
    message,
)
from hostdriver.measuring.null_token import null_container
from hostdriver.measuring.overhead import Overhead, overhead
from hostdriver.measuring.png import png
from hostdriver.measuring.report import Run, as_csv, json_object
from hostdriver.measuring.runner import Plan, run
from hostdriver.measuring.scene import Box, Label, draw
from hostdriver.measuring.series import Series, Subject, percentile, significant
from hostdriver.measuring.svg import svg
from protocols.gmt import PinType, SignInput
from protocols.i18n import N_
from protocols.sw import SW
from protocols.transaction import parse_transaction
from tests.rig.key import KeyRig

UNASKED = pytest.mark.limits(ready_digest="free", pin__user__cache="session")
WITHOUT_DISPLAY = pytest.mark.profile("icbc-1g-gd")
S = 1_000_000_000
MS = 1_000_000
USUAL = Plan()
HERE = Circumstances(
    "2026-11-23T00:00:00+00:00", "0.1.0", "0123abc", "3.11.2", "Linux", "A processor", 2, "socket",
    "Maker <&>", "Bank", "1.0", "2.1", None,
)  # fmt: skip
TIMES = st.lists(st.integers(1, 10**12), min_size=2, max_size=300)


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the developer reads."""
    monkeypatch.setenv("LANGUAGE", "en")


class Counter:
    """A clock that stands still until a job moves it."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


class Fake(Job):
    """Takes as long each time as is said; what it says to raise it raises."""

    def __init__(self, clock: Counter, *times: int | Exception, login: Login | None = None) -> None:
        super().__init__(Subject("sign"), login)
        self._clock, self._times = clock, list(times)
        self.may_ask = True
        self.usual_count = 3

    def act(self) -> None:
        took = self._times.pop(0)
        if isinstance(took, Exception):
            raise took
        self._clock.now += took


def measured(*times: int | Exception, plan: Plan = USUAL, login: Login | None = None) -> Series:
    clock = Counter()
    series = Series(Subject("sign"))
    run(Fake(clock, *times, login=login), plan, series, lambda _series: None, clock)
    return series


def series_of(*times: int, pressed: bool = False) -> Series:
    return Series(Subject("sign", "SM2", "c", "digest", 32), list(times), pressed, complete=True)


# Figures


@given(TIMES)
def test_percentiles_are_those_of_the_standard_library(times: list[int]) -> None:
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    ordered = sorted(map(float, times))
    for wanted in (1, 25, 50, 90, 95, 99):
        assert percentile(ordered, wanted) == pytest.approx(cuts[wanted - 1])
    assert percentile(ordered, 50) == pytest.approx(statistics.median(times))
    assert (percentile(ordered, 0), percentile(ordered, 100)) == (ordered[0], ordered[-1])


@given(TIMES)
def test_figures_are_milliseconds_in_whatever_order_the_samples_came(times: list[int]) -> None:
    figures = series_of(*times).figures()
    assert figures.mean == pytest.approx(statistics.fmean(times) / MS)
    assert figures.rate == pytest.approx(len(times) / (sum(times) / S))
    assert (figures.fastest, figures.slowest) == (min(times) / MS, max(times) / MS)
    assert figures.count == len(times)


def test_one_sample_has_figures() -> None:
    figures = series_of(250 * MS).figures()
    assert (figures.p50, figures.rate, figures.p95, figures.p99) == (250, 4, None, None)


@pytest.mark.parametrize(("count", "has_95", "has_99"), [(19, 0, 0), (20, 1, 0), (99, 1, 0), (100, 1, 1)])
def test_a_percentile_beyond_the_samples_is_not_said(count: int, has_95: bool, has_99: bool) -> None:
    figures = series_of(*range(1, count + 1)).figures()
    assert (figures.p95 is not None, figures.p99 is not None) == (has_95, has_99)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.00004, "0.0000"), (0.12344, "0.1234"), (12.344, "12.34"), (1234.4, "1,234"), (0, "0")],
)
def test_four_digits_that_say_something(value: float, text: str) -> None:
    assert significant(value) == text


# The runner


def test_the_trial_is_not_counted() -> None:
    series = measured(9, 1, 2, 3)
    assert series.samples_ns == [1, 2, 3]
    assert not series.pressed
    assert series.complete


def test_a_first_signature_of_more_than_a_second_was_pressed_and_counts() -> None:
    """No press is thrown away, and three are enough."""
    series = measured(S + 1, 2 * S, 3 * S)
    assert series.samples_ns == [S + 1, 2 * S, 3 * S]
    assert series.pressed


def test_what_the_person_says_goes_before_the_clock() -> None:
    assert not measured(2 * S, 1, plan=Plan(count=1, pressed=False)).pressed
    assert measured(1, plan=Plan(count=1, pressed=True)).pressed


def test_seconds_end_a_series_by_the_clock() -> None:
    assert measured(S // 2, *[S // 2] * 4, plan=Plan(seconds=2)).samples_ns == [S // 2] * 4


def test_a_single_operation_longer_than_the_seconds_is_measured_all_the_same() -> None:
    assert measured(S // 2, 5 * S, plan=Plan(seconds=0.1, pressed=False)).samples_ns == [5 * S]


class Verified(Login):
    """A login that only counts."""

    def __init__(self) -> None:
        self.each_time = False
        self.count = 0

    def verify(self) -> None:
        self.count += 1


def test_a_key_that_forgets_its_login_is_given_the_pin_before_each_from_then_on() -> None:
    login = Verified()
    refused = NotLoggedInError(SW.NOT_LOGGED_IN)
    assert measured(5, refused, 1, 2, 3, login=login).samples_ns == [1, 2, 3]
    assert login.count == 3


def test_a_key_that_wants_its_pin_even_so_is_not_asked_for_ever() -> None:
    refused = NotLoggedInError(SW.NOT_LOGGED_IN)
    with pytest.raises(NotLoggedInError):
        measured(refused, refused, login=Verified())


def test_what_was_measured_stays_when_something_breaks_it_off() -> None:
    clock, series = Counter(), Series(Subject("sign"))
    with pytest.raises(KeyRemovedError):
        run(Fake(clock, 9, 1, 2, KeyRemovedError("gone")), Plan(), series, lambda _series: None, clock)
    assert series.samples_ns == [1, 2]
    assert not series.complete
    assert gc.isenabled()


@pytest.mark.parametrize("kind", ["apdu", "skf", "pkcs11"])
def test_the_tools_own_part_is_below_a_hundredth_of_the_fastest_real_signature(kind: str) -> None:
    assert 0 < overhead(kind).share < 0.01


@pytest.mark.parametrize("kind", ["apdu", "skf"])
def test_a_null_key_is_called_as_a_key_is(kind: str) -> None:
    """Its signature has passed through the layers that it names: r and s, all zeros."""
    layers, container = null_container(kind)
    assert layers.startswith("runner and ")
    assert container.sign(bytes(32), SignInput.DIGEST) == bytes(64)


# What is done to a key


@given(st.integers(LEAST_MESSAGE, 4096))
def test_a_message_of_any_size_can_be_shown_and_pays_nobody(size: int) -> None:
    text = message(size)
    assert len(text) == size
    assert [(item.label, item.value) for item in parse_transaction(text).shown] == [("Test", "vukey bench")]


class Quiet:
    """Who looks on and remembers."""

    def __init__(self) -> None:
        self.left: list[tuple[Subject, HostError]] = []
        self.on_seen: Callable[[Series], None] = lambda _series: None

    def begins(self, job: Job) -> None:
        pass

    def seen(self, job: Job, series: Series) -> None:
        self.on_seen(series)

    def left_out(self, job: Job, why: HostError) -> None:
        self.left.append((job.subject, why))


def outcome_of(
    rig: KeyRig, plan: Plan, onlooker: Quiet, *sizes: int, generate: bool = False
) -> bench.Outcome:
    token = ApduToken(rig.session)
    opened = token.application()
    held = bench.containers(opened, None, None)
    login = log_in(opened, rig.user_pin)
    todo = bench.jobs(token, login, held, sizes)
    if generate:
        todo += bench.generating(opened, login, held)
    return bench.measure(todo, plan, onlooker)


@UNASKED
def test_a_run_measures_everything_and_leaves_the_key_as_it_was(rig: KeyRig) -> None:
    before = rig.session.containers(rig.open())
    quiet = Quiet()
    outcome = outcome_of(rig, Plan(count=2), quiet, generate=True)
    assert outcome.stopped is None
    assert not quiet.left
    assert [series.subject.title for series in outcome.series] == [
        "verify-pin", "random 32 bytes", "sign RSA-2048 digest", "sign SM2 digest", "generate RSA-2048",
        "generate SM2",
    ]  # fmt: skip
    assert all(len(series.samples_ns) == 2 and series.complete for series in outcome.series)
    assert rig.session.containers(rig.open()) == before
    assert rig.session.pin_info(rig.open(), PinType.USER).left == rig.profile.pin.user.tries


@pytest.mark.limits(ready_digest="free", pin__user__cache="per-sign")
def test_a_key_that_wants_its_pin_for_each_signature_is_measured_too(rig: KeyRig) -> None:
    outcome = outcome_of(rig, Plan(count=3), Quiet())
    assert outcome.stopped is None
    assert [len(series.samples_ns) for series in outcome.series] == [3, 3, 3, 3]


@WITHOUT_DISPLAY
@pytest.mark.limits(ready_digest="refuse")
def test_a_key_that_refuses_digests_signs_messages_instead(rig: KeyRig) -> None:
    quiet = Quiet()
    outcome = outcome_of(rig, Plan(count=1), quiet)
    signed = [series.subject for series in outcome.series if series.subject.operation == "sign"]
    assert [(subject.source, subject.size) for subject in signed] == [("message", 512)]
    assert all(isinstance(why, DigestRefusedError) for _subject, why in quiet.left)
    assert len(quiet.left) == 1


@WITHOUT_DISPLAY
@pytest.mark.limits(ready_digest="refuse")
def test_but_not_if_messages_are_signed_anyway(rig: KeyRig) -> None:
    outcome = outcome_of(rig, Plan(count=1), Quiet(), 200)
    signed = [series.subject for series in outcome.series if series.subject.operation == "sign"]
    assert [subject.size for subject in signed] == [200]


@UNASKED
def test_ctrl_c_keeps_what_was_measured(rig: KeyRig) -> None:
    quiet = Quiet()

    def interrupt(series: Series) -> None:
        if series.subject.operation == "sign" and len(series.samples_ns) == 2:
            raise KeyboardInterrupt

    quiet.on_seen = interrupt
    outcome = outcome_of(rig, Plan(count=5), quiet)
    assert isinstance(outcome.stopped, KeyboardInterrupt)
    assert [(len(series.samples_ns), series.complete) for series in outcome.series] == [
        (5, True), (5, True), (2, False),
    ]  # fmt: skip


@UNASKED
def test_ctrl_c_in_the_middle_of_key_pairs_leaves_no_container(rig: KeyRig) -> None:
    quiet = Quiet()

    def interrupt(series: Series) -> None:
        if series.subject.operation == "generate":
            raise KeyboardInterrupt

    quiet.on_seen = interrupt
    outcome = outcome_of(rig, Plan(count=1), quiet, generate=True)
    assert isinstance(outcome.stopped, KeyboardInterrupt)
    assert CONTAINER not in rig.session.containers(rig.open())


@UNASKED
def test_somebody_elses_container_is_not_touched(rig: KeyRig) -> None:
    """Not even one that is called as ours."""
    application = rig.log_in()
    rig.session.create_container(application, CONTAINER)
    outcome = outcome_of(rig, Plan(count=1), Quiet(), generate=True)
    assert isinstance(outcome.stopped, ContainerTakenError)
    assert CONTAINER in rig.session.containers(rig.open())


def test_a_wrong_pin_is_tried_once(rig: KeyRig) -> None:
    application = ApduToken(rig.session).application()
    with pytest.raises(PinIncorrectError):
        log_in(application, "000000")
    assert application.pin_facts().left == rig.profile.pin.user.tries - 1


@pytest.mark.limits(pin__user__tries=2)
def test_the_last_try_is_not_risked_even_with_the_right_pin(rig: KeyRig) -> None:
    application = ApduToken(rig.session).application()
    with pytest.raises(PinIncorrectError):
        log_in(application, "000000")
    with pytest.raises(LastTryError):
        log_in(application, rig.user_pin)
    assert application.pin_facts().left == 1


def test_a_message_longer_than_the_key_takes_is_said_before_anything_is_done(rig: KeyRig) -> None:
    token = ApduToken(rig.session)
    with pytest.raises(bench.SizeError):
        bench.jobs(token, Verified(), [], [200, token.max_message + 1])


# Results


def run_of(*series: Series) -> Run:
    return Run(HERE, Overhead("runner", 0.005), series, complete=True)


def test_the_csv_has_a_line_for_each_series_with_where_and_when() -> None:
    text = as_csv(run_of(series_of(2 * MS, 4 * MS), series_of(5 * S, pressed=True)))
    first, second = csv.DictReader(io.StringIO(text))
    assert (first["count"], float(first["p50_ms"])) == ("2", 3)
    assert float(first["rate"]) == pytest.approx(333.333333)
    assert (first["p95_ms"], first["manufacturer"], first["commit"]) == ("", "Maker <&>", "0123abc")
    assert (second["pressed"], second["rate"], second["serial"]) == ("True", "", "")


def test_a_persons_time_is_nobodys_rate() -> None:
    (facts,) = json_object(run_of(series_of(5 * S, pressed=True)))["series"]
    assert facts["rate"] is None
    assert facts["samples_ms"] == [5000]
    json.dumps(facts)


def labels(scene_series: Series) -> str:
    return "|".join(shape.text for shape in draw(run_of(scene_series)).shapes if isinstance(shape, Label))


def test_the_picture_says_where_it_comes_from_and_how_much_of_it_is_the_tools() -> None:
    text = labels(series_of(*range(MS, 3 * MS, 10_000)))
    for said in ("Maker <&>", "0123abc", "A processor", "200 times", "p99", "0.0050 ms", HERE.date):
        assert said in text
    assert "key and person together" in labels(series_of(5 * S, pressed=True))


def test_the_picture_is_in_the_readers_language(monkeypatch: pytest.MonkeyPatch) -> None:
    """As SVG; the PNG's font has Latin letters alone."""
    one_core = replace(run_of(series_of(MS)), circumstances=replace(HERE, cores=1))
    english = [shape for shape in draw(one_core).shapes if isinstance(shape, Label)]
    monkeypatch.setenv("LANGUAGE", "zh_CN")
    chinese = svg(draw(one_core))
    for said in ("延迟：Maker", "1次，每秒1,000次", "最大 1.000 ms", "1个核心", "工具自身的部分（测量循环"):
        assert said in chinese
    latin = [shape for shape in draw(one_core, N_).shapes if isinstance(shape, Label)]
    assert latin == english
    assert all(label.text.isascii() for label in latin)
    assert any("A processor, 1 core, Linux" in label.text for label in latin)


def bars(series: Series) -> list[Box]:
    shapes = draw(run_of(series)).shapes
    return [shape for shape in shapes if isinstance(shape, Box) and shape.fill == "#4f86c6"]


def test_a_bar_is_as_high_as_its_share_of_the_samples() -> None:
    low, high = sorted(bars(series_of(*[MS] * 10, *[100 * MS] * 40)), key=lambda box: box.x)
    assert low.height / high.height == pytest.approx(1 / 4)
    assert low.y + low.height == pytest.approx(high.y + high.height)


def test_two_decades_lie_as_far_apart_as_one_and_one() -> None:
    first, second, third = sorted(box.x for box in bars(series_of(MS, 10 * MS, 100 * MS)))
    assert third - second == pytest.approx(second - first, abs=5)


@pytest.mark.parametrize("times", [(MS,), (MS, MS), (1, 10**13)])
def test_whatever_the_times_every_shape_lies_in_the_picture(times: tuple[int, ...]) -> None:
    scene = draw(run_of(series_of(*times)))
    for shape in scene.shapes:
        assert 0 <= shape.x <= scene.width
        assert 0 <= shape.y <= scene.height


def test_the_svg_is_one_document_whatever_a_key_calls_itself() -> None:
    evil = replace(HERE, manufacturer="</text><script>alert(1)</script>\x1b[2J")
    root = ElementTree.fromstring(svg(draw(replace(run_of(series_of(MS)), circumstances=evil))))
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags == {"svg", "rect", "text"}
    assert any("<script>" in (element.text or "") for element in root.iter())


def test_the_png_is_the_same_picture() -> None:
    image = pytest.importorskip("PIL.Image")
    scene = draw(run_of(series_of(MS, 2 * MS)))
    picture = image.open(io.BytesIO(png(scene)))
    assert picture.size == (2 * scene.width, 2 * scene.height)
    (bar, *_) = bars(series_of(MS, 2 * MS))
    middle = (2 * (bar.x + bar.width / 2), 2 * (bar.y + bar.height / 2))
    assert picture.getpixel(tuple(map(int, middle))) == (0x4F, 0x86, 0xC6)


# Circumstances


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("socket:5260391743", "socket"),
        ("ble:4260391743@hci0", "ble"),
        ("skf:/opt/maker/libskf.so:Key 0001", "skf:libskf.so"),
        ("pkcs11:/usr/lib/softhsm/libsofthsm2.so:label", "pkcs11:libsofthsm2.so"),
    ],
)
def test_no_serial_number_unasked(name: str, said: str) -> None:
    assert way(name) == said


def test_the_commit_is_gits(tmp_path: Path) -> None:
    assert commit(tmp_path) is None

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        done = subprocess.run(["git", *identity, "-C", tmp_path, *arguments], capture_output=True, check=True)
        return done.stdout.decode().strip()

    git("init", "-q")
    assert commit(tmp_path) is None
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-qm", "one")
    said = commit(tmp_path)
    assert said is not None
    assert git("rev-parse", "HEAD").startswith(said)
    (tmp_path / "file").write_text("2")
    assert commit(tmp_path) == f"{said}-dirty"
