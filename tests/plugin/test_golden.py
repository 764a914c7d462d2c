"""Golden screens: compared, written, reported, and never silently passed or lost."""

from __future__ import annotations

import re
import shlex
import subprocess
import threading
from pathlib import Path

import pytest
from PIL import Image

from emulator.hardware.display import Screen, ScreenKind
from emulator.hardware.frame import Frame, draw_screen
from emulator.profiles import load_profile
from tests.plugin.project import PROFILE, Project, assert_lines, flip
from tests.plugin.suite import ROOT, TIMEOUT_S
from tests.rig.pcscd import user_options
from vukey_testing.golden_files import GoldenError, Goldens, replace_file
from vukey_testing.golden_types import Mode, file_safe

TWO = """
import os

pytestmark = pytest.mark.vukey(stage="blank")

def test_first(key, screen):
    key.open()
    screen.golden("idle")
    if "MORE" in os.environ:
        screen.golden("again")

def test_second(key, screen):
    key.open()
    screen.golden()
    if os.environ.get("END") == "skip":
        pytest.skip("told to")
    assert os.environ.get("END") != "fail"
"""
FIRST = f"test_pay/test_first/{PROFILE}"
SECOND = f"test_pay/test_second/{PROFILE}"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def idle(project: Project) -> Project:
    """One test with its golden screen."""
    project.write_idle("交通银行")
    assert project.run("--vukey-golden=update").outcomes == {"passed": 1}
    return project


@pytest.fixture
def two(project: Project) -> Project:
    """Two tests; the first has a golden screen that it asks for no more."""
    project.write(TWO)
    assert project.run("--vukey-golden=update", MORE="1").outcomes == {"passed": 2}
    return project


def test_a_missing_golden_fails_and_names_the_command_that_makes_it(project: Project) -> None:
    project.write_idle("交通银行")
    result = project.run()
    assert result.outcomes == {"failed": 1}
    assert not project.goldens
    [command] = set(re.findall(r"pytest (--vukey-golden update \S+)", result.text))
    assert project.run(*shlex.split(command)).outcomes == {"passed": 1}
    assert project.run("--vukey-golden=check").outcomes == {"passed": 1}


def test_a_golden_is_a_text_and_a_picture(idle: Project) -> None:
    assert idle.goldens == {
        f"test_pay/test_idle/{PROFILE}/idle.txt",
        f"test_pay/test_idle/{PROFILE}/idle.png",
    }
    head, edge, first, *_ = idle.golden("idle.txt").read_text(encoding="utf-8").splitlines()
    assert (head, edge) == ("idle 1/1", "+----------------+")
    assert first == "|交通银行        |"
    with Image.open(idle.golden("idle.png")) as picture:
        assert picture.size == (128, 64)
        assert picture.convert("L").getextrema() == (0, 255)


def test_another_text_fails_with_a_diff(idle: Project) -> None:
    idle.write_idle("工商银行")
    result = idle.run()
    assert result.outcomes == {"failed": 1}
    assert_lines(result, "*-|交通银行        |", "*+|工商银行        |")
    assert "pixels" not in result.text
    assert_lines(result, "*text differs: 1", "*report: vukey-golden.html")


def test_other_pixels_fail_with_their_number_and_place(idle: Project) -> None:
    path = idle.golden("idle.png")
    flip(path, {(3, 40), (5, 41), (90, 63)})
    result = idle.run()
    assert result.outcomes == {"failed": 1}
    assert "3 of 8192 pixels differ, all within columns 3–90 and rows 40–63" in result.text


def test_a_picture_of_another_size_fails(idle: Project) -> None:
    path = idle.golden("idle.png")
    Image.new("1", (192, 64), 1).save(path)
    result = idle.run()
    assert result.outcomes == {"failed": 1}
    assert "it has 192×64 pixels, the screen 128×64" in result.text


@pytest.mark.parametrize(
    "mode", ["RGB", pytest.param("L", marks=pytest.mark.slow), pytest.param("P", marks=pytest.mark.slow)]
)
def test_the_same_pixels_packed_in_another_way_are_the_golden(idle: Project, mode: str) -> None:
    path = idle.golden("idle.png")
    with Image.open(path) as picture:
        other = picture.convert(mode)
    other.save(path, optimize=True)
    packed = path.read_bytes()
    assert idle.run().outcomes == {"passed": 1}
    assert idle.run("--vukey-golden=update").outcomes == {"passed": 1}
    assert path.read_bytes() == packed


def test_a_pointer_to_git_lfs_is_told_as_such(idle: Project) -> None:
    idle.golden("idle.png").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    result = idle.run()
    assert result.outcomes == {"failed": 1}
    assert "git lfs pull" in result.text


def test_a_picture_alone_missing_fails(idle: Project) -> None:
    idle.golden("idle.png").unlink()
    assert idle.run().outcomes == {"failed": 1}
    assert idle.run("--vukey-golden=update").outcomes == {"passed": 1}
    assert idle.run().outcomes == {"passed": 1}


def test_update_rewrites_what_differs_and_leaves_the_rest(idle: Project) -> None:
    text, picture = idle.golden("idle.txt"), idle.golden("idle.png")
    before = text.stat().st_ino
    flip(picture, {(0, 0)})
    result = idle.run("--vukey-golden=update")
    assert result.outcomes == {"passed": 1}
    assert_lines(result, "*golden rewritten: 1")
    assert text.stat().st_ino == before
    assert idle.run().outcomes == {"passed": 1}


def test_a_model_without_a_display_has_text_only(project: Project) -> None:
    project.write("""
@pytest.mark.vukey(profile="icbc-1g-gd", stage="blank")
def test_light(key, screen):
    key.open()
    screen.golden("light")
""")
    assert project.run("--vukey-golden=update").outcomes == {"passed": 1}
    assert project.goldens == {"test_pay/test_light/icbc-1g-gd/light.txt"}
    assert project.run().outcomes == {"passed": 1}


def test_screens_without_a_name_are_numbered_and_a_name_is_taken_once(project: Project) -> None:
    project.write("""
@pytest.mark.vukey(stage="blank")
def test_idle(key, screen):
    key.open()
    screen.golden()
    screen.golden("名称")
    screen.golden()
    screen.golden("02")
""")
    result = project.run("--vukey-golden=update")
    assert result.outcomes == {"failed": 1}
    assert "golden screen “02” already" in result.text
    assert {Path(name).stem for name in project.goldens} == {"01", "02", "名称"}


# What nobody asks for


def test_unused_goldens_are_reported_and_only_update_removes_them(two: Project) -> None:
    result = two.run()
    assert result.outcomes == {"passed": 2}
    assert_lines(
        result,
        "*files that no test asks for*: 2",
        f"*goldens/{FIRST}/again.png",
        f"*goldens/{FIRST}/again.txt",
    )
    assert f"{FIRST}/again.txt" in two.goldens
    assert_lines(two.run("--vukey-golden=update"), "*files removed*: 2")
    assert two.goldens == {f"{FIRST}/idle.txt", f"{FIRST}/idle.png", f"{SECOND}/01.txt", f"{SECOND}/01.png"}
    assert "no test asks for" not in two.run().text


@pytest.mark.parametrize(
    "options",
    [
        ["-k", "second"],
        pytest.param(["test_pay.py::test_second"], marks=pytest.mark.slow),
        pytest.param(["--deselect", "test_pay.py::test_first"], marks=pytest.mark.slow),
    ],
)
def test_what_was_not_chosen_is_not_unused(two: Project, options: list[str]) -> None:
    everything = two.goldens
    assert "no test asks for" not in two.run("--vukey-golden=update", *options).text
    assert two.goldens == everything


@pytest.mark.parametrize("how", [pytest.param("skip", marks=pytest.mark.slow), "fail"])
def test_what_was_not_reached_is_not_unused(two: Project, how: str) -> None:
    two.golden("later.txt", "test_second").write_text(two.golden("01.txt", "test_second").read_text())
    result = two.run(END=how)
    assert "later" not in result.text
    assert "again.txt" in result.text


def test_what_had_not_failed_before_is_not_unused(two: Project) -> None:
    assert two.run(END="fail").outcomes == {"passed": 1, "failed": 1}
    result = two.run("--lf", "--vukey-golden=update")
    assert result.outcomes == {"passed": 1}
    assert f"{FIRST}/again.txt" in two.goldens


def test_tests_and_modules_that_are_no_more_leave_nothing_behind(two: Project) -> None:
    two.write(TWO.split("def test_second")[0])
    two.write(TWO, "test_other.py")
    two.run("--vukey-golden=update", "test_other.py")
    two.path.joinpath("test_other.py").unlink()
    one_test = two.run("test_pay.py::test_first")
    assert SECOND not in one_test.text
    result = two.run()
    assert_lines(result, f"*goldens/test_other/test_first/{PROFILE}/idle.txt", f"*goldens/{SECOND}/01.txt")
    two.run("--vukey-golden=update")
    assert two.goldens == {f"{FIRST}/idle.txt", f"{FIRST}/idle.png"}
    assert not (two.path / "goldens" / "test_other").exists()


def test_files_of_others_and_of_other_models_are_nobodys_business(two: Project) -> None:
    two.run("--vukey-golden=update")
    foreign = [
        "test_pay/test_first/x/log.txt",
        f"{FIRST}/note.txt",
        "data/some/where/a.png",
        f"{FIRST}/b.dat",
    ]
    for name in foreign:
        path = two.path / "goldens" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("somebody else's\n")
    other_model = two.path / "goldens/test_pay/test_first/icbc-1g-gd/idle.txt"
    other_model.parent.mkdir()
    other_model.write_text("idle 1/1\n○\n")
    before = two.goldens
    assert "removed" not in two.run("--vukey-golden=update").text
    assert two.goldens == before


# Many processes


@pytest.mark.slow
def test_workers_of_xdist_write_check_and_report_as_one_process_does(project: Project) -> None:
    project.write("""
import os

@pytest.mark.vukey(stage="blank")
@pytest.mark.parametrize("number", range(12))
def test_idle(key, screen, number):
    key.open()
    screen.golden("idle")
    if "MORE" in os.environ:
        screen.golden("again")
""")
    assert project.run_spread("--vukey-golden=update", MORE="1").outcomes == {"passed": 12}
    assert len(project.goldens) == 12 * 2 * 2
    for number in (3, 8):
        flip(project.golden("idle.png", f"test_idle[{number}]"), {(1, 1)})
    result = project.run_spread("--vukey-golden-report=out/page.html")
    assert result.outcomes == {"passed": 10, "failed": 2}
    assert_lines(result, "*pixels differ: 2", "*files that no test asks for*: 20")
    page = project.path.joinpath("out/page.html").read_text(encoding="utf-8")
    assert set(re.findall(r"<h3>test_pay.py::(.*)</h3>", page)) == {
        "test_idle[inproc-3]",
        "test_idle[inproc-8]",
    }
    assert project.run_spread("--vukey-golden=update").outcomes == {"passed": 12}
    assert len(project.goldens) == 12 * 2


def test_a_screen_has_one_golden_over_every_target(project: Project) -> None:
    project.write("""
@pytest.mark.vukey(stage="blank")
@pytest.mark.parametrize("name", ["-1", "inproc", "a-socket-b"])
def test_idle(session, screen, name):
    session.device_info()
    screen.golden("idle")
""")
    assert project.run("--token=inproc", "--vukey-golden=update").outcomes == {"passed": 3}
    names = {f"test_pay/test_idle[{name}]/{PROFILE}/idle" for name in ("-1", "inproc", "a-socket-b")}
    assert {name.rpartition(".")[0] for name in project.goldens} == names
    result = project.run("--token=inproc,socket")
    assert result.outcomes == {"passed": 6}
    assert "no test asks for" not in result.text


def test_a_test_that_runs_again_may_ask_again(idle: Project) -> None:
    """As after a failure with pytest-rerunfailures, which this stands for: the same item, the whole protocol."""
    idle.path.joinpath("conftest.py").write_text("""
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    runtestprotocol(item, nextitem=nextitem, log=False)
""")
    assert idle.run().outcomes == {"passed": 1}


def test_what_was_not_chosen_by_the_name_of_its_module_is_not_unused(two: Project) -> None:
    everything = two.goldens
    options = ("--pyargs", "test_pay::test_second", "--vukey-golden=update")
    assert two.run(*options, PYTHONPATH=f"{two.path}:{ROOT}").outcomes == {"passed": 1}
    assert two.goldens == everything


def test_nothing_is_removed_behind_a_symbolic_link(two: Project) -> None:
    """Two tests may share their screens, or two folders of tests; one may ask for more than the other."""
    pay = two.path / "goldens" / "test_pay"
    pay.joinpath("test_second").rename(two.path / "kept")
    pay.joinpath("test_second").symlink_to(two.path / "kept")
    later = two.path / "kept" / PROFILE / "later.txt"
    later.write_text("idle 1/1\n")
    assert two.run("--vukey-golden=update").outcomes == {"passed": 2}
    assert later.exists()

    two.path.joinpath("goldens").rename(two.path / "shared")
    for folder in ("a", "b"):
        two.path.joinpath(folder).mkdir()
        two.path.joinpath(folder, "goldens").symlink_to(two.path / "shared")
    two.path.joinpath("test_pay.py").rename(two.path / "a" / "test_pay.py")
    two.path.joinpath("b", "test_other.py").write_text("def test_nothing(): pass\n")
    assert two.run("--vukey-golden=update").outcomes == {"passed": 3}
    assert two.path.joinpath("shared", FIRST, "idle.txt").exists()


def test_what_cannot_be_removed_is_told(two: Project) -> None:
    """A read-only mount: permissions do not keep root out."""
    command = " && ".join(
        (
            "mount --bind goldens goldens",
            "mount -o remount,ro,bind goldens",
            shlex.join(two.command("-p", "no:cacheprovider", "--vukey-golden=update")),
        )
    )
    options = user_options()
    if options is None:
        pytest.skip("needs private namespaces")
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        ["unshare", *options, "--mount", "sh", "-c", command],
        cwd=two.path, env=two.environment(**alone), capture_output=True, text=True, timeout=TIMEOUT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("could not be removed: ") == 2
    assert "Read-only file system" in done.stdout


def test_looking_at_what_there_is_removes_nothing(two: Project) -> None:
    two.path.joinpath("test_pay.py").rename(two.path / "test_moved.py")
    everything = two.goldens
    two.run("--vukey-golden=update", "--collect-only")
    assert two.goldens == everything


# Without pytest


SCREEN = Screen(ScreenKind.CONFIRM, "", ("请核对交易",), 1, 1, ("C取消", "OK确认"))
MODEL = load_profile(PROFILE)


def frame(screen: Screen = SCREEN) -> Frame:
    return draw_screen(screen, 128, 64)


def goldens(tmp_path: Path, mode: Mode = Mode.CHECK) -> Goldens:
    return Goldens(tmp_path / "goldens", MODEL, mode, tmp_path, "test_x.py::test_y")


def test_a_display_that_is_not_seen_is_compared_by_text_and_then_skipped(tmp_path: Path) -> None:
    goldens(tmp_path, Mode.UPDATE).compare(SCREEN, frame(), "x")
    with pytest.raises(pytest.skip.Exception, match="nobody can see the pixels"):
        goldens(tmp_path).compare(SCREEN, None, "x")
    other = Screen(ScreenKind.CONFIRM, "", ("请核对信息",))
    with pytest.raises(GoldenError, match="请核对信息"):
        goldens(tmp_path).compare(other, None, "x")


def test_a_person_is_asked_and_believed(tmp_path: Path) -> None:
    goldens(tmp_path, Mode.UPDATE).compare(SCREEN, frame(), "x")
    asked: list[str] = []

    def agrees(question: str) -> bool:
        asked.append(question)
        return len(asked) == 1

    goldens(tmp_path).confirm(agrees, "x")
    with pytest.raises(GoldenError, match="does not see"):
        goldens(tmp_path).confirm(agrees, "x")
    assert "请核对交易" in asked[0]


def test_without_eyes_or_goldens_nothing_passes(tmp_path: Path) -> None:
    with pytest.raises(GoldenError, match="no golden screen"):
        goldens(tmp_path).confirm(lambda _: True, "x")
    with pytest.raises(pytest.skip.Exception, match="not written"):
        goldens(tmp_path, Mode.UPDATE).confirm(lambda _: True, "x")
    goldens(tmp_path, Mode.UPDATE).compare(SCREEN, frame(), "x")
    with pytest.raises(pytest.skip.Exception, match="nobody can see"):
        goldens(tmp_path).confirm(lambda _: None, "x")


def test_whoever_reads_meanwhile_sees_one_content_or_the_other(tmp_path: Path) -> None:
    path, contents = tmp_path / "x.png", [bytes([mark]) * 100_000 for mark in (0, 1)]
    replace_file(path, contents[0])

    def write(content: bytes) -> None:
        for _ in range(50):
            replace_file(path, content)

    writers = [threading.Thread(target=write, args=[content]) for content in contents]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_names_of_files_are_safe_and_each_its_own() -> None:
    names = [
        "../../etc",
        "a/b",
        "a%2Fb",
        "a b",
        "",
        ".",
        "..",
        "中文",
        "x" * 300,
        "x" * 299 + "y",
        "a\0b",
        "汉" * 100,
        "\ud800",
    ]
    safe = [file_safe(name) for name in names]
    assert len(set(safe)) == len(names)
    assert all("/" not in name and "\0" not in name and not name.startswith(".") for name in safe)
    assert all(len(name.encode()) <= 120 for name in safe)
    assert file_safe("test_pay[rsa-中文]") == "test_pay[rsa-中文]"
