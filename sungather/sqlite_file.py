"""One SQLite file of the state directory: opened, locked, and mended when it is damaged.

A damaged file is set aside, and what can still be read of it is taken over into a new one.

Write-ahead log, so that a killed process leaves the last commit behind. All methods block, and
belong on one thread: that of a `Worker`, which holds up no exit.
"""

import logging
import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import ClassVar, cast

from sungather.own_file import close_to_others, is_same_file, open_own
from sungather.sqlite_salvage import copy_with_first_page, reading_only, tolerant_text

log = logging.getLogger(__name__)

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_LOGS = ("-wal", "-journal")
"""What SQLite keeps beside a file, and needs in order to read it."""
_CHECKED_BYTES = 16 * 1024 * 1024
"""Files up to this size are checked whole when they are opened: a second, on a slow card."""
_MOST_VERSIONS = 1000
"""No release will ever have counted this far: a larger version is a damaged one."""
_REPLACES = "application_id"
"""Where a file keeps the number of the damaged one that it was begun for, until what can be read
of that is taken over: the process may be ended before."""


class DamagedError(sqlite3.DatabaseError):
    """The file is sound for SQLite, but of no use to us."""


class NewerFileError(sqlite3.OperationalError):
    """A newer release has written the file; it is left as it is."""


def is_damage(error: Exception) -> bool:
    """Whether the file itself is broken, as against a disk that is full or read-only."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, DamagedError) or (isinstance(code, int) and code & 0xFF in _DAMAGED)


class SqliteFile:
    """Plain, blocking access. A subclass has the schema, the queries, and the hooks it needs."""

    schema: ClassVar[str]
    """Statements that make the tables, separated by semicolons."""
    version: ClassVar[int] = 1
    synchronous: ClassVar[str] = "NORMAL"
    """FULL: a commit that returned survives a power cut. NORMAL: the last few may be lost."""
    exclusive: ClassVar[bool] = False
    """Whether no other process may open the file meanwhile."""
    busy_seconds: ClassVar[float] = 0.0
    """How long to wait for another process that has locked the file."""

    def __init__(self, path: Path | None) -> None:
        """Name the file; `open` opens it. None keeps everything in memory."""
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._found: os.stat_result | None = None
        self._salvages = False

    @property
    def why_slow(self) -> str:
        """Why work takes long, as the rest of a sentence; may be asked from any thread."""
        if self._salvages:
            return "what can be read of a damaged file is being taken over"
        return "the disk does not answer"

    @property
    def is_open(self) -> bool:
        """Whether there is a file to read from and write to."""
        return self._connection is not None

    @property
    def db(self) -> sqlite3.Connection:
        """The connection; it is in autocommit mode, see `transaction`.

        Raises:
            sqlite3.OperationalError: when the file is not open.
        """
        if self._connection is None:
            raise sqlite3.OperationalError("it is not open")
        return self._connection

    def open(self) -> None:
        """Open or make the file. A damaged one is set aside; what it still tells is taken over.

        Raises:
            sqlite3.Error: when the disk does not play along, or the file is a newer release's.
            OSError: when the directory cannot be made.
        """
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connect()
        except sqlite3.Error as error:
            if not is_damage(error):
                self.close()
                raise
            self.replace(error)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release the file. It can be opened again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def replace(self, why: Exception) -> None:
        """Set the damaged file aside, and begin a new one with what can still be read of it.

        Raises:
            sqlite3.Error: when that does not work either.
            OSError: the same, of the file system.
        """
        if self.path is None:
            raise why
        number, aside = _free_name(self.path)
        log.error(
            "%s is damaged (%s). It is set aside as %s, and a new file is begun.",
            self.path, why, aside.name,
        )  # fmt: skip
        try:
            # Renamed before it is closed: closing may move the log into the file, and remove it.
            for suffix in ("", *_LOGS):
                with suppress(FileNotFoundError):
                    _beside(self.path, suffix).replace(_beside(aside, suffix))
            _beside(self.path, "-shm").unlink(missing_ok=True)
            self.close()
            self.was_set_aside()
            self._connect(number)
        except BaseException:
            self.close()
            raise

    def make_sure(self) -> None:
        """Make the file anew from what is still open when it was removed, or another put there.

        Raises:
            sqlite3.Error: when that does not work; it can be tried again.
            OSError: the same, of the file system.
        """
        path, old = self.path, self._connection
        if path is None or old is None or is_same_file(path, self._found):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.replace(_free_name(path, "other")[1])
        _own(path)
        fresh = self._connected()
        try:
            old.backup(fresh)
        except BaseException:
            fresh.close()
            path.unlink(missing_ok=True)
            raise
        # Closed before the new one has a log, which it could take for its own.
        old.close()
        self._connection, self._found = fresh, path.stat()
        self._set_up(fresh)
        log.warning("%s was removed, and is made anew. Nothing of it is lost.", path)

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """All or nothing; written down when the block ends."""
        db = self.db
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise

    def pragma(self, name: str) -> int:
        """A number that SQLite knows about the file."""
        return int(self.db.execute(f"PRAGMA {name}").fetchone()[0])

    # -- hooks ----------------------------------------------------------------------------

    def was_opened(self) -> None:
        """Read what is needed at the start. Damage that shows here replaces the file as well."""

    def was_set_aside(self) -> None:
        """What the file held is not there any more, but for what `salvage` will take over."""

    def salvage(self, old: sqlite3.Connection) -> int:  # noqa: ARG002
        """Take over what can still be read of the damaged file; called within a transaction.

        Rows may hold anything. Returns how many were taken over.
        """
        return 0

    def _connect(self, aside: int = 0) -> None:
        """Open the file, or make one; `aside` is the number of the one that it replaces."""
        if self.path is not None:
            _own(self.path)
            log_file = _beside(self.path, "-wal")
            if not self.path.stat().st_size and log_file.exists() and log_file.stat().st_size:
                # SQLite would take it for a new one, and throw the log away.
                raise DamagedError("it is empty, but its log is not")
        self._connection = db = self._connected()
        self._found = self.path.stat() if self.path is not None else None
        self._set_up(db)
        with self.transaction():
            version = self.pragma("user_version")
            tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if version == 0 and tables == 0:
                for statement in self.schema.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version={self.version}")
                db.execute(f"PRAGMA {_REPLACES}={aside}")
            else:
                self._check_version(version)
                self._check_structure()
        if (number := self.pragma(_REPLACES)) and self.path is not None:
            # Of this run or of one that was ended meanwhile.
            if (replaced := _set_aside(self.path, "damaged", number)).exists():
                self._take_over(replaced)
            db.execute(f"PRAGMA {_REPLACES}=0")
        self.was_opened()

    def _check_version(self, found: int) -> None:
        if found == self.version:
            return
        if self.version < found < _MOST_VERSIONS:
            raise NewerFileError(
                f"it was written by another release, a newer one (format {found}, and this one "
                f"knows {self.version}), and is left as it is: install that release again, or "
                "move the file away"
            )
        raise DamagedError(f"it has the format {found}, not {self.version}")

    def _check_structure(self) -> None:
        """Find damage before it hides rows: a wrong key makes a search pass by what is there."""
        if self.pragma("page_count") * self.pragma("page_size") <= _CHECKED_BYTES:
            for (problem,) in self.db.execute("PRAGMA quick_check"):
                # Rows that hold something odd are for whoever reads them.
                if problem != "ok" and " value in " not in problem:
                    raise DamagedError(problem)
        with closing(sqlite3.connect(":memory:")) as made:
            made.executescript(self.schema)
            wanted = _columns(made)
            tables = {table for table, *_ in wanted}
            if wanted != {one for one in _columns(self.db) if one[0] in tables}:
                raise DamagedError("it has not the tables that it should have")

    def _take_over(self, aside: Path) -> None:
        """Fill the new file with what the one set aside still tells; none of it is an error."""
        copy = _beside(aside, ".reading")
        count = 0
        self._salvages = True
        try:
            # Of an empty one, to look at it would remove the log.
            count = self._salvage_from(aside) if aside.stat().st_size else 0
            if not count:
                self.db.execute("PRAGMA wal_checkpoint")
                copy_with_first_page(aside, cast(Path, self.path), copy)
                count = self._salvage_from(copy)
        except (sqlite3.Error, OSError) as error:
            log.warning("%s cannot be read further: %s.", aside, error)
        finally:
            self._salvages = False
            for suffix in ("", *_LOGS, "-shm"):
                _beside(copy, suffix).unlink(missing_ok=True)
            # What reading it has made.
            _beside(aside, "-shm").unlink(missing_ok=True)
            log_file = _beside(aside, "-wal")
            if log_file.exists() and not log_file.stat().st_size:
                log_file.unlink()
        log.warning("%d rows of %s could be read and are taken over.", count, aside.name)

    def _salvage_from(self, file: Path) -> int:
        try:
            with closing(reading_only(file)) as old, self.transaction():
                return 0 if _columns(self.db) - _columns(old) else self.salvage(old)
        except sqlite3.DatabaseError:
            return 0

    def _connected(self) -> sqlite3.Connection:
        # The loop's thread never touches it; but a thread that hangs may have to be replaced.
        return sqlite3.connect(
            self.path or ":memory:",
            timeout=self.busy_seconds,
            isolation_level=None,
            check_same_thread=False,
        )

    def _set_up(self, db: sqlite3.Connection) -> None:
        db.text_factory = tolerant_text
        if self.exclusive:
            db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={self.synchronous}")
        db.execute("PRAGMA cache_size=-512")
        db.execute("PRAGMA journal_size_limit=1048576")


def _columns(db: sqlite3.Connection) -> set[tuple[object, ...]]:
    """Table, and number, name and type of each of its columns."""
    return set(
        db.execute(
            "SELECT m.name, c.cid, c.name, c.type FROM sqlite_master AS m,"
            " pragma_table_info(m.name) AS c WHERE m.type = 'table'"
        )
    )


def _own(path: Path) -> None:
    """Make the file if there is none, for its owner alone; SQLite gives its logs the same modes.

    Raises:
        OSError: it cannot be opened, or is a symbolic link.
    """
    if not close_to_others(path):
        os.close(open_own(path, os.O_RDWR | os.O_CREAT))
    for suffix in (*_LOGS, "-shm"):
        close_to_others(_beside(path, suffix))


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _set_aside(path: Path, why: str, number: int) -> Path:
    """`<name>.damaged`, `<name>.damaged-2` and so on."""
    return _beside(path, f".{why}" if number == 1 else f".{why}-{number}")


def _free_name(path: Path, why: str = "damaged") -> tuple[int, Path]:
    """The first number and name that are not taken: what was set aside stays."""
    names = ((number, _set_aside(path, why, number)) for number in count(1))
    return next(
        (number, name)
        for number, name in names
        if not any(_beside(name, suffix).exists() for suffix in ("", *_LOGS))
    )
