"""What a key keeps without power: all of a change or none of it (C9), in a file that only its owner may read."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.hardware.storage import (
    MemoryStorage,
    StateBusyError,
    StateDamagedError,
    StateError,
    StateForeignError,
    Storage,
)
from emulator.hardware.storage_faulty import FaultyStorage, Phase, PowerCut
from emulator.hardware.storage_sqlite import APPLICATION_ID, VERSION, SqliteStorage

REPOSITORY = Path(__file__).parents[2]
PAGE = 4096
OLD = {"pin/user": b"old", "certificate": b"o" * 9000, "old only": b"gone"}
NEW = {"pin/user": b"new", "certificate": b"n" * 9000, "new only": b"come"}


def write(storage: Storage, values: dict[str, bytes]) -> None:
    """Make `values` all there is, in one transaction."""
    with storage.transaction() as transaction:
        for key in present(storage):
            transaction.delete(key)
        for key, value in values.items():
            transaction.put(key, value)


def present(storage: Storage) -> list[str]:
    return storage.keys()


def everything(storage: Storage) -> dict[str, bytes | None]:
    return {key: storage.read(key) for key in present(storage)}


def content(path: Path) -> dict[str, bytes | None]:
    with closing(SqliteStorage(path)) as storage:
        return everything(storage)


@contextmanager
def untouched(directory: Path) -> Iterator[None]:
    """Every file in the directory has the same bytes afterwards, and there is no other."""

    def files() -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in directory.iterdir()}

    before = files()
    yield
    assert files() == before


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "键 state?#%.vukey"


@pytest.fixture
def state(path: Path) -> Path:
    """A state file that holds OLD, at rest."""
    with closing(SqliteStorage(path)) as storage:
        write(storage, OLD)
    return path


@pytest.fixture
def sqlite(path: Path) -> Iterator[SqliteStorage]:
    with closing(SqliteStorage(path)) as storage:
        yield storage


@pytest.fixture(params=["memory", "sqlite", "faulty"])
def storage(request: pytest.FixtureRequest) -> Storage:
    match request.param:
        case "memory":
            return MemoryStorage()
        case "faulty":
            return FaultyStorage(MemoryStorage())
        case _:
            made: SqliteStorage = request.getfixturevalue("sqlite")
            return made


class TestEveryStorage:
    def test_it_is_empty_at_first(self, storage: Storage) -> None:
        assert storage.keys() == []
        assert storage.read("pin") is None

    def test_values_are_bytes_of_any_kind(self, storage: Storage) -> None:
        values = {"empty": b"", "zero": b"\0", "all": bytes(range(256)), "long": b"x" * 100_000}
        write(storage, values)
        assert everything(storage) == values

    def test_keys_are_sorted_and_chosen_by_prefix(self, storage: Storage) -> None:
        names = [
            "app/b",
            "app/a",
            "app",
            "App",
            "ap%",
            "app_",
            "应用/乙",
            "应用/甲",
            "\U0001f511",
            "\uffee",
            "",
        ]
        write(storage, dict.fromkeys(names, b""))
        assert storage.keys() == sorted(names)
        assert storage.keys("app/") == ["app/a", "app/b"]
        assert storage.keys("ap%") == ["ap%"]
        assert storage.keys("app_") == ["app_"]
        assert storage.keys("应用/") == sorted(["应用/乙", "应用/甲"])
        assert storage.keys("nothing") == []

    def test_the_last_write_of_a_transaction_wins(self, storage: Storage) -> None:
        write(storage, {"kept": b"1", "deleted": b"1"})
        with storage.transaction() as transaction:
            transaction.put("deleted", b"2")
            transaction.delete("deleted")
            transaction.delete("kept")
            transaction.put("kept", b"2")
            transaction.delete("never there")
        assert everything(storage) == {"kept": b"2"}

    def test_an_exception_undoes_all(self, storage: Storage) -> None:
        def break_off() -> None:
            with storage.transaction() as transaction:
                transaction.put("pin/user", b"half")
                transaction.delete("certificate")
                raise KeyboardInterrupt

        write(storage, OLD)
        with pytest.raises(KeyboardInterrupt):
            break_off()
        assert everything(storage) == OLD
        write(storage, NEW)
        assert everything(storage) == NEW

    def test_reads_inside_a_transaction_see_what_was_before(self, storage: Storage) -> None:
        write(storage, OLD)
        with storage.transaction() as transaction:
            transaction.put("pin/user", b"new")
            transaction.put("more", b"new")
            assert everything(storage) == OLD
        assert everything(storage) == {**OLD, "pin/user": b"new", "more": b"new"}

    def test_a_nested_transaction_is_an_error_and_undoes_the_outer_one(self, storage: Storage) -> None:
        def nest() -> None:
            with storage.transaction() as transaction:
                transaction.put("pin/user", b"outer")
                write(storage, OLD)

        with pytest.raises(RuntimeError, match="open already"):
            nest()
        assert everything(storage) == {}
        write(storage, NEW)
        assert everything(storage) == NEW

    def test_a_transaction_without_writes_changes_nothing(self, storage: Storage) -> None:
        write(storage, OLD)
        with storage.transaction():
            pass
        assert everything(storage) == OLD

    def test_a_value_does_not_change_with_the_buffer_it_came_from(self, storage: Storage) -> None:
        buffer: Any = bytearray(b"value")
        with storage.transaction() as transaction:
            transaction.put("key", buffer)
            buffer[:] = b"other"
        assert storage.read("key") == b"value"

    def test_readers_in_other_threads_see_old_or_new(self, storage: Storage) -> None:
        write(storage, {"a": b"0", "b": b"0"})
        torn: list[list[str]] = []
        done = threading.Event()

        def read() -> None:
            while not done.is_set():
                if (keys := storage.keys()) not in (["a", "b"], ["c", "d"]):
                    torn.append(keys)

        reader = threading.Thread(target=read)
        reader.start()
        for n in range(50):
            write(storage, dict.fromkeys("cd" if n % 2 else "ab", b"0"))
        done.set()
        reader.join()
        assert torn == []


class TestMemoryStorage:
    def test_it_starts_with_the_values_given_and_does_not_write_to_them(self) -> None:
        initial = {"a": b"1"}
        storage = MemoryStorage(initial)
        assert everything(storage) == {"a": b"1"}
        write(storage, {"b": b"2"})
        assert initial == {"a": b"1"}

    def test_a_copy_lives_its_own_life(self) -> None:
        storage = MemoryStorage(OLD)
        copy = storage.copy()
        write(storage, NEW)
        assert everything(copy) == OLD
        write(copy, {})
        assert everything(storage) == NEW


class TestFaultyStorage:
    @pytest.fixture(params=["memory", "sqlite"])
    def inner(self, request: pytest.FixtureRequest, path: Path) -> Iterator[Storage]:
        with closing(MemoryStorage() if request.param == "memory" else SqliteStorage(path)) as storage:
            yield storage

    def test_it_counts_commits_and_nothing_else(self) -> None:
        storage = FaultyStorage(MemoryStorage())
        write(storage, OLD)
        with pytest.raises(KeyError), storage.transaction():
            raise KeyError
        storage.read("pin/user")
        write(storage, NEW)
        assert storage.commits == 2

    @pytest.mark.parametrize("commit", [1, 2, 3])
    @pytest.mark.parametrize("phase", get_args(Phase))
    def test_the_power_fails_at_the_chosen_commit(self, inner: Storage, commit: int, phase: Phase) -> None:
        storage = FaultyStorage(inner, commit, phase)
        for n in range(1, commit):
            write(storage, {"n": bytes([n])})
        with pytest.raises(PowerCut):
            write(storage, {"n": bytes([commit])})
        durable = commit if phase == "after" else commit - 1
        assert everything(inner) == ({"n": bytes([durable])} if durable else {})
        assert storage.commits == durable

    @pytest.mark.parametrize(("phase", "ran"), [("before", False), ("during", True), ("after", True)])
    def test_the_block_runs_unless_the_power_failed_before(self, phase: Phase, ran: bool) -> None:
        reached = False
        with pytest.raises(PowerCut), FaultyStorage(MemoryStorage(), 1, phase).transaction():
            reached = True
        assert reached is ran

    @pytest.mark.parametrize(
        "operation",
        [lambda s: s.read("n"), lambda s: s.keys(), lambda s: write(s, {})],
        ids=["read", "keys", "transaction"],
    )
    def test_without_power_nothing_works_until_the_restart(
        self, operation: Callable[[Storage], object]
    ) -> None:
        storage = FaultyStorage(MemoryStorage(OLD), 1, "during")
        with pytest.raises(PowerCut):
            write(storage, NEW)
        with pytest.raises(PowerCut):
            operation(storage)
        storage.close()
        storage.restart()
        assert everything(storage) == OLD
        write(storage, NEW)
        assert everything(storage) == NEW

    def test_no_handler_of_exceptions_swallows_it(self) -> None:
        assert not issubclass(PowerCut, Exception)


class TestStateFile:
    def test_it_keeps_everything(self, path: Path) -> None:
        for values in (OLD, NEW, OLD):
            with closing(SqliteStorage(path)) as storage:
                write(storage, values)
            assert content(path) == values

    def test_at_rest_it_is_one_file(self, state: Path) -> None:
        assert [file.name for file in state.parent.iterdir()] == [state.name]

    def test_its_header_says_whose_it_is(self, path: Path, sqlite: SqliteStorage) -> None:
        """SQLite file format 1.3: application id at 68, user version at 60; from the start, not only in the log."""
        header = path.read_bytes()[:100]
        assert header[68:72] == b"VKEY" == APPLICATION_ID.to_bytes(4, "big")
        assert int.from_bytes(header[60:64], "big") == VERSION

    def test_commits_are_synced_and_deleted_values_wiped(self, sqlite: SqliteStorage) -> None:
        settings = {
            name: sqlite._db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "secure_delete", "locking_mode")
        }
        assert settings == {
            "journal_mode": "wal",
            "synchronous": 2,  # FULL
            "secure_delete": 1,
            "locking_mode": "exclusive",
        }

    def test_a_deleted_value_is_gone_from_the_file(self, state: Path) -> None:
        assert b"oooo" in state.read_bytes()
        with closing(SqliteStorage(state)) as storage:
            write(storage, {})
        assert b"oooo" not in state.read_bytes()

    @pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
    def test_only_its_owner_may_read_it_whatever_the_umask(self, path: Path, umask: int) -> None:
        before = os.umask(umask)
        try:
            with closing(SqliteStorage(path)) as storage:
                write(storage, OLD)
                modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        finally:
            os.umask(before)
        assert modes == {path.name: 0o600, path.name + "-wal": 0o600}

    def test_an_empty_file_is_a_new_one(self, path: Path) -> None:
        """A crash between making the file and making the table leaves one; so does mktemp."""
        path.touch(mode=0o600)
        assert content(path) == {}

    def test_closing_twice_is_harmless(self, path: Path) -> None:
        storage = SqliteStorage(path)
        storage.close()
        storage.close()

    def test_using_it_after_close_is_a_programming_error(self, path: Path) -> None:
        storage = SqliteStorage(path)
        storage.close()
        with pytest.raises(sqlite3.ProgrammingError):
            storage.read("pin/user")

    def test_a_full_disk_is_one_line_and_changes_nothing(self, sqlite: SqliteStorage, path: Path) -> None:
        write(sqlite, OLD)
        (pages,) = sqlite._db.execute("PRAGMA page_count").fetchone()
        sqlite._db.execute(f"PRAGMA max_page_count = {pages}")  # what SQLite reports as a full disk
        with pytest.raises(StateError) as caught:
            write(sqlite, {"pin/user": b"half", "too much": b"x" * 100_000})
        assert str(caught.value) == f"cannot use the state file {path}: database or disk is full"
        assert everything(sqlite) == OLD


HOLD = """
import sys
from emulator.hardware.storage_sqlite import SqliteStorage
storage = SqliteStorage(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
storage.close()
"""


@contextmanager
def python(script: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


class TestOneKeyAtATime:
    def test_a_second_process_is_refused_until_the_first_ends(self, state: Path) -> None:
        with python(HOLD, state) as process:
            assert read_line(process) == "held"
            with untouched(state.parent), pytest.raises(StateBusyError) as caught:
                SqliteStorage(state)
            assert str(caught.value) == f"another key runs on the state file {state}; stop it first"
            process.communicate("")
        assert content(state) == OLD

    def test_a_killed_process_holds_nothing(self, state: Path) -> None:
        with python(HOLD, state) as process:
            assert read_line(process) == "held"
        assert content(state) == OLD

    def test_the_same_process_is_refused_too(self, sqlite: SqliteStorage, path: Path) -> None:
        with pytest.raises(StateBusyError):
            SqliteStorage(path)
        refused = subprocess.run(
            [sys.executable, "-c", HOLD, path], cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
        assert "StateBusyError" in refused.stderr  # having tried twice has not unlocked the file
        write(sqlite, OLD)
        assert everything(sqlite) == OLD

    @pytest.mark.parametrize("existing", [True, False])
    @pytest.mark.parametrize("statement", ["SELECT * FROM kv", "DELETE FROM kv"])
    def test_other_programs_are_locked_out_from_the_start(
        self, path: Path, existing: bool, statement: str
    ) -> None:
        if existing:
            SqliteStorage(path).close()
        script = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute(sys.argv[2])"
        with closing(SqliteStorage(path)):
            done = subprocess.run(
                [sys.executable, "-c", script, path, statement], capture_output=True, text=True, check=False
            )
        assert "database is locked" in done.stderr

    def test_another_program_at_work_on_it_is_named_as_such(self, state: Path) -> None:
        script = (
            "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('BEGIN IMMEDIATE');"
            "print('held', flush=True); sys.stdin.read()"
        )
        with python(script, state) as process:
            assert read_line(process) == "held"
            with pytest.raises(StateBusyError):
                SqliteStorage(state)


def foreign_sqlite(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)


def make_text(path: Path) -> None:
    path.write_bytes(b"dear diary\n" * 1000)


def make_short_text(path: Path) -> None:
    path.write_bytes(b"S")


def make_other_database(path: Path) -> None:
    foreign_sqlite(path, "CREATE TABLE kv (key TEXT PRIMARY KEY, value BLOB)")


def make_other_application(path: Path) -> None:
    foreign_sqlite(path, "PRAGMA application_id = 1", "PRAGMA journal_mode = WAL", "CREATE TABLE t (x)")


class TestForeignFiles:
    @pytest.mark.parametrize(
        "make", [make_text, make_short_text, make_other_database, make_other_application]
    )
    def test_it_is_named_and_left_as_it_is(self, path: Path, make: Callable[[Path], None]) -> None:
        make(path)
        path.chmod(0o600)
        with untouched(path.parent), pytest.raises(StateForeignError) as caught:
            SqliteStorage(path)
        assert str(caught.value).startswith(f"{path} is not a vukey state file; it was left as it is")

    def test_a_foreign_database_in_use_keeps_its_log(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE t (x)")
            path.chmod(0o600)
            with untouched(path.parent), pytest.raises(StateForeignError):
                SqliteStorage(path)

    def test_a_newer_version_is_left_to_a_newer_vukey(self, state: Path) -> None:
        foreign_sqlite(state, f"PRAGMA user_version = {VERSION + 1}", "CREATE TABLE future (x)")
        with untouched(state.parent), pytest.raises(StateForeignError, match="newer vukey") as caught:
            SqliteStorage(state)
        assert str(state) in str(caught.value)

    def test_something_that_is_no_file(self, path: Path) -> None:
        os.mkfifo(path, 0o600)
        with pytest.raises(StateForeignError):
            SqliteStorage(path)

    def test_a_directory(self, path: Path) -> None:
        path.mkdir(0o700)
        with pytest.raises(StateError, match="Is a directory"):
            SqliteStorage(path)


class TestAccess:
    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
    def test_a_file_that_others_may_open_is_refused(self, state: Path, mode: int) -> None:
        state.chmod(mode)
        with untouched(state.parent), pytest.raises(StateError) as caught:
            SqliteStorage(state)
        assert str(caught.value) == f"other users may open the state file {state}; run: chmod 600 {state}"
        state.chmod(0o600)
        assert content(state) == OLD

    @pytest.mark.parametrize("exists", [True, False])
    def test_a_symbolic_link_is_refused(self, tmp_path: Path, exists: bool) -> None:
        target, link = tmp_path / "target", tmp_path / "link"
        if exists:
            target.touch(mode=0o600)
        link.symlink_to(target)
        with pytest.raises(StateError) as caught:
            SqliteStorage(link)
        assert str(caught.value) == f"the state file {link} is a symbolic link; name the file itself"
        assert target.exists() is exists

    def test_a_missing_directory(self, tmp_path: Path) -> None:
        path = tmp_path / "nowhere" / "state"
        with pytest.raises(StateError) as caught:
            SqliteStorage(path)
        assert str(caught.value) == f"cannot use the state file {path}: No such file or directory"

    @pytest.mark.parametrize("exists", [True, False])
    def test_a_directory_that_may_not_be_written_to(self, exists: bool) -> None:
        """SQLite needs room for its log beside the file; root may write everywhere, so this is done as nobody."""
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "state")
            if exists:
                SqliteStorage(path).close()
            with nobody(path.parent), untouched(path.parent), pytest.raises(StateError) as caught:
                SqliteStorage(path)
        assert type(caught.value) is StateError
        assert str(caught.value).startswith(f"cannot use the state file {path}: ")


@contextmanager
def nobody(directory: Path) -> Iterator[None]:
    """Make the directory read-only and be someone whom that stops."""
    root, nobody_id = os.geteuid() == 0, 65534
    if root:
        for file in (directory, *directory.iterdir()):
            os.chown(file, nobody_id, -1)
    directory.chmod(0o500)
    if root:
        os.seteuid(nobody_id)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        directory.chmod(0o700)


class TestDamage:
    @pytest.mark.parametrize("page", [1, 2, 3])
    def test_a_page_of_garbage_is_found_and_left_as_it_is(self, state: Path, page: int) -> None:
        damaged = bytearray(state.read_bytes())
        assert len(damaged) >= (page + 1) * PAGE
        damaged[page * PAGE : (page + 1) * PAGE] = b"\xa5garbage" * (PAGE // 8)
        state.write_bytes(damaged)
        with untouched(state.parent), pytest.raises(StateDamagedError) as caught:
            SqliteStorage(state)
        assert str(caught.value).startswith(f"the state file {state} is damaged (")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("size", [20, 99, 100, 511, 512, 3000, PAGE, PAGE + 1, 2 * PAGE, -PAGE, -1])
    def test_a_truncated_file_is_found_and_left_as_it_is(self, state: Path, size: int) -> None:
        state.write_bytes(state.read_bytes()[:size])
        with untouched(state.parent), pytest.raises(StateDamagedError) as caught:
            SqliteStorage(state)
        assert str(state) in str(caught.value)

    def test_a_row_that_is_no_longer_counted_is_missed(self, state: Path) -> None:
        """SQLite file format 1.6: the number of cells is in bytes 3-4 of a leaf page's header."""
        damaged = bytearray(state.read_bytes())
        assert damaged[PAGE + 3 : PAGE + 5] == bytes([0, len(OLD)])
        damaged[PAGE + 4] -= 1
        state.write_bytes(damaged)
        with untouched(state.parent), pytest.raises(StateDamagedError):
            SqliteStorage(state)

    def test_damage_is_found_beneath_a_log_too(self, state: Path) -> None:
        """A crash left a log, and the file is damaged: neither is touched."""
        with closing(SqliteStorage(state)) as storage:
            with storage.transaction() as transaction:
                transaction.put("pin/user", b"new")
            log = log_of(state).read_bytes()
        damaged = bytearray(state.read_bytes())
        damaged[-PAGE:] = b"\xa5" * PAGE
        state.write_bytes(damaged)
        log_of(state).write_bytes(log)
        with untouched(state.parent), pytest.raises(StateDamagedError):
            SqliteStorage(state)

    def test_an_emptied_file_beside_a_log_is_not_taken_for_a_new_one(self, state: Path) -> None:
        with closing(SqliteStorage(state)) as storage:
            write(storage, NEW)
            log = log_of(state).read_bytes()
        log_of(state).write_bytes(log)
        state.write_bytes(b"")
        with untouched(state.parent), pytest.raises(StateDamagedError, match="write-ahead log"):
            SqliteStorage(state)

    @pytest.mark.parametrize(
        "statement",
        ["CREATE TRIGGER t AFTER INSERT ON kv BEGIN DELETE FROM kv; END", "DROP TABLE kv"],
    )
    def test_another_schema_is_refused(self, state: Path, statement: str) -> None:
        foreign_sqlite(state, statement)
        with untouched(state.parent), pytest.raises(StateDamagedError):
            SqliteStorage(state)

    @given(data=st.data())
    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_a_changed_byte_never_gives_other_values(self, state: Path, data: st.DataObject) -> None:
        good = state.read_bytes()
        used = [offset for offset, byte in enumerate(good) if byte not in b"\0o"]
        offset = data.draw(st.sampled_from(used) | st.integers(0, len(good) - 1))
        bad = bytearray(good)
        bad[offset] ^= data.draw(st.integers(1, 255))
        state.write_bytes(bad)
        try:
            assert content(state) == OLD
        except StateError:
            assert state.read_bytes() == bad
        finally:
            for suffix in ("-wal", "-journal"):
                Path(f"{state}{suffix}").unlink(missing_ok=True)
            state.write_bytes(good)


def log_of(path: Path) -> Path:
    return Path(f"{path}-wal")


def torn_logs(log: bytes, start: int) -> Iterator[bytes]:
    """What a power cut may leave of a write-ahead log whose last commit was written from `start` on.

    SQLite file format 4.1: a header of 32 bytes, then frames of 24 bytes and a page each.
    """
    frame = 24 + PAGE
    for at in range(start, len(log), frame):
        yield log[:at]
        yield log[: at + 10]
        yield log[: at + frame // 2]
        yield log[: at + frame - 1]
        yield log[:at] + bytes(frame) + log[at + frame :]  # a later frame was written, this one was not
        for byte in (at, at + 8, at + 20, at + 24, at + frame // 2, at + frame - 1):
            yield log[:byte] + bytes([log[byte] ^ 0xFF]) + log[byte + 1 :]
    yield log


class TestPowerCut:
    def test_a_torn_commit_shows_old_or_new_never_between(self, state: Path, tmp_path: Path) -> None:
        copy = tmp_path / "copy"
        with closing(SqliteStorage(state)) as storage:
            with storage.transaction() as transaction:
                transaction.put("pin/user", b"older")
            write(storage, OLD)
            start = log_of(state).stat().st_size
            write(storage, NEW)
            log = log_of(state).read_bytes()
            database = state.read_bytes()
        assert (len(log) - start) // (24 + PAGE) >= 3
        seen = []
        for torn in torn_logs(log, start):
            copy.write_bytes(database)
            copy.chmod(0o600)
            log_of(copy).write_bytes(torn)
            seen.append(content(copy))
        assert all(values == OLD for values in seen[:-1])
        assert seen[-1] == NEW

    @pytest.mark.parametrize("room", [100, 512, 4095, 4096, 5000, 8191, 8192, 9000, 12_000, 16_000, 100_000])
    def test_dying_in_the_middle_of_any_write_leaves_a_usable_file(self, path: Path, room: int) -> None:
        """The kernel kills a process that writes beyond byte `room` of a file: the making of the table, the first
        commit, and each of their logs are cut at every stage."""
        script = """
import resource, signal, sys
from emulator.hardware.storage_sqlite import SqliteStorage
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
storage = SqliteStorage(sys.argv[1])
with storage.transaction() as transaction:
    transaction.put("first", b"1" * 5000)
    transaction.put("second", b"2" * 5000)
print("kept", flush=True)
signal.pause()
"""
        with python(script, path, room) as process:
            kept = read_line(process) == "kept"
        assert kept is (room == 100_000)
        assert content(path) == ({"first": b"1" * 5000, "second": b"2" * 5000} if kept else {})
        with closing(SqliteStorage(path)) as storage:
            write(storage, OLD)
        assert content(path) == OLD
        assert [file.name for file in path.parent.iterdir()] == [path.name]

    @pytest.mark.parametrize("commits", [1, 7, 700])
    def test_kill_9_keeps_every_commit_that_was_acknowledged(self, path: Path, commits: int) -> None:
        """Also beyond 1000 pages of log, where SQLite folds it into the file."""
        script = """
import itertools, sys
from emulator.hardware.storage_sqlite import SqliteStorage
storage = SqliteStorage(sys.argv[1])
for n in itertools.count(1):
    with storage.transaction() as transaction:
        transaction.put("first", b"%d" % n)
        transaction.put("long", b"%d " % n * 2000)
    print(n, flush=True)
"""
        with python(script, path) as process:
            for _ in range(commits):
                read_line(process)
            process.kill()
            assert process.stdout is not None
            lines = [line for line in process.stdout if line.endswith("\n")]
        acknowledged = int(lines[-1]) if lines else commits
        assert log_of(path).stat().st_size > 0
        values = content(path)
        number = int(values["first"] or b"")
        assert number in (acknowledged, acknowledged + 1)
        assert values == {"first": b"%d" % number, "long": b"%d " % number * 2000}
        assert [file.name for file in path.parent.iterdir()] == [path.name]
