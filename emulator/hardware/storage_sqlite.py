"""The state file: a SQLite database that one key holds for as long as it runs.

Checked before SQLite may write to it: what is foreign or damaged is refused by name and left byte for byte as it is.
SQLite's pages carry no checksums, so every row has its own. What cannot be told from a torn last commit, namely
damage in the write-ahead log, makes SQLite fall back to the commit before it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import stat
import tempfile
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from emulator.hardware.storage import (
    BufferedStorage,
    StateBusyError,
    StateDamagedError,
    StateError,
    StateForeignError,
)
from protocols.i18n import N_

APPLICATION_ID = 0x564B4559  # "VKEY", the header's bytes 68-71 (SQLite file format, section 1.3)
VERSION = 1

_MAGIC = b"SQLite format 3\0"
_HEADER_SIZE = 100
_SIDE_FILES = ("-wal", "-journal")
_SCHEMA = "CREATE TABLE kv (key TEXT PRIMARY KEY, value BLOB NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID"


class SqliteStorage(BufferedStorage):
    """Keeps the values in a file that only its owner may read; every commit is on the disk when it returns.

    :param path: the state file; made when there is none, or an empty one.
    :raises StateBusyError: another key runs on it.
    :raises StateForeignError: it is not a state file, or one of a newer version.
    :raises StateDamagedError: it does not hold together.
    :raises StateError: it cannot be opened, or other users may read it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        self._path = Path(path)
        self._lock = threading.Lock()
        with ExitStack() as undo, _telling(self._path):
            file = _open_locked(self._path)
            undo.callback(os.close, file)
            _check_header(self._path, file)
            _check_content(self._path)
            self._db = undo.enter_context(closing(_connect(self._path)))
            self._held = undo.pop_all()

    def read(self, key: str) -> bytes | None:
        """See `Storage.read`.

        :raises StateError: the file cannot be read.
        """
        with self._lock, _telling(self._path):
            row = self._db.execute("SELECT value FROM kv WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def keys(self, prefix: str = "") -> list[str]:
        """See `Storage.keys`.

        :raises StateError: the file cannot be read.
        """
        with self._lock, _telling(self._path):
            rows = self._db.execute("SELECT key FROM kv WHERE key >= ? ORDER BY key", (prefix,)).fetchall()
        return [key for (key,) in rows if key.startswith(prefix)]

    def close(self) -> None:
        """Fold the write-ahead log into the file and let go of it."""
        with self._lock:
            self._held.close()

    def _apply(self, changes: Mapping[str, bytes | None]) -> None:
        puts = [(key, value, _crc(key, value)) for key, value in changes.items() if value is not None]
        deletes = [(key,) for key, value in changes.items() if value is None]
        with self._lock, _telling(self._path), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("REPLACE INTO kv VALUES (?, ?, ?)", puts)
            self._db.executemany("DELETE FROM kv WHERE key = ?", deletes)


def _crc(key: str, value: bytes) -> int:
    return zlib.crc32(value, zlib.crc32(key.encode()))


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """Turn what the system and SQLite report into our errors, which name the file."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except sqlite3.Error as error:
        raise _state_error(path, error) from error
    except UnicodeDecodeError as error:  # SQLite's message quotes a damaged schema
        raise _damaged(path, error.reason) from error
    except OSError as error:
        raise StateError(
            N_("cannot use the state file {path}: {reason}"), path=path, reason=error.strerror
        ) from error


def _state_error(path: Path, error: sqlite3.Error) -> StateError:
    match getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF:
        case sqlite3.SQLITE_BUSY:
            return _busy(path)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_ERROR:
            return _damaged(path, error)
        case _:
            return StateError(N_("cannot use the state file {path}: {reason}"), path=path, reason=error)


def _busy(path: Path) -> StateBusyError:
    return StateBusyError(N_("another key runs on the state file {path}; stop it first"), path=path)


def _damaged(path: Path, reason: object) -> StateDamagedError:
    return StateDamagedError(
        N_(
            "the state file {path} is damaged ({reason}); it was left as it is: restore a copy or move it away"
        ),
        path=path,
        reason="".join(char if char.isprintable() else " " for char in str(reason)),
    )


def _foreign(path: Path) -> StateForeignError:
    return StateForeignError(
        N_("{path} is not a vukey state file; it was left as it is: choose another name"), path=path
    )


def _open_locked(path: Path) -> int:
    """Open the file, made if there is none, and lock it; `os.close` unlocks it.

    So it is checked and opened as one step. SQLite's own locks come later, and are POSIX locks: the process loses
    them when it closes the file a second time, as it does here when it finds the file busy.
    """
    file = _open_or_create(path)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _busy(path) from error
        _check_access(path, os.fstat(file).st_mode)
    except BaseException:
        os.close(file)
        raise
    return file


def _open_or_create(path: Path) -> int:
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK
    if path.is_symlink():
        raise StateError(N_("the state file {path} is a symbolic link; name the file itself"), path=path)
    try:
        file = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(path, flags)
    os.fchmod(file, 0o600)  # a umask may have taken the owner's own rights
    return file


def _check_access(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise _foreign(path)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise StateError(N_("other users may open the state file {path}; run: chmod 600 {path}"), path=path)


def _check_header(path: Path, file: int) -> None:
    """Tell from the first bytes whose file it is: they are ours from the commit that made the table on."""
    header = os.pread(file, _HEADER_SIZE, 0)
    if not header:
        _check_alone(path)
    elif not header.startswith(_MAGIC):
        raise _foreign(path)
    elif len(header) < _HEADER_SIZE:
        raise _damaged(path, "cut short")
    elif int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise _foreign(path)


def _check_alone(path: Path) -> None:
    """An empty file is a new one, unless a log beside it holds what it has lost: SQLite would delete that."""
    log = _beside(path, "-wal")
    if log.exists() and log.stat().st_size:
        raise _damaged(path, "empty, with a write-ahead log beside it")


def _check_content(path: Path) -> None:
    """Look for damage without touching the file.

    Where a crash has left a log, SQLite can only see the present state by recovering it: that happens to a copy.
    """
    logs = [log for suffix in _SIDE_FILES if (log := _beside(path, suffix)).exists()]
    if not logs:
        _inspect(path, "mode=ro&immutable=1")
        return
    with tempfile.TemporaryDirectory(prefix=f"{path.name}.check-", dir=path.parent) as directory:
        for original in (path, *logs):
            shutil.copyfile(original, Path(directory, original.name))
        _inspect(path, "mode=rw", Path(directory, path.name))


def _inspect(path: Path, options: str, copy: Path | None = None) -> None:
    uri = f"{(copy or path).absolute().as_uri()}?{options}"
    with closing(sqlite3.connect(uri, uri=True)) as db:
        if _pragma(db, "page_count") != 0:  # 0: a new file, or a crash before its table was made
            _check_database(path, db)


def _check_database(path: Path, db: sqlite3.Connection) -> None:
    version = _pragma(db, "user_version")
    if isinstance(version, int) and version > VERSION:
        raise StateForeignError(
            N_("the state file {path} is of version {version}, this vukey knows {known}: use a newer vukey"),
            path=path,
            version=version,
            known=VERSION,
        )
    if (found := _pragma(db, "quick_check(1)")) != "ok":
        raise _damaged(path, found)
    if version != VERSION or db.execute("SELECT sql FROM sqlite_master").fetchall() != [(_SCHEMA,)]:
        raise _damaged(path, "not the table that was made")
    for key, value, crc in db.execute("SELECT key, value, crc FROM kv"):
        if not (isinstance(key, str) and isinstance(value, bytes) and crc == _crc(key, value)):
            raise _damaged(path, "a value with a wrong checksum")


def _connect(path: Path) -> sqlite3.Connection:
    """Open the checked file for the key's life, and make its table if it is new."""
    with ExitStack() as undo:
        db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        undo.callback(db.close)
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA secure_delete = ON")
        if _pragma(db, "page_count") == 0:
            _create(db)
        db.execute("PRAGMA journal_mode = WAL")  # takes SQLite's lock, now and for good
        db.execute("PRAGMA synchronous = FULL")
        undo.pop_all()
    return db


def _create(db: sqlite3.Connection) -> None:
    """Make the table and the header in one commit, before the log comes: `_check_header` reads the file alone."""
    with db:
        db.execute("BEGIN EXCLUSIVE")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute(_SCHEMA)


def _pragma(db: sqlite3.Connection, name: str) -> object:
    row: tuple[object] = db.execute(f"PRAGMA {name}").fetchone()
    return row[0]


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
