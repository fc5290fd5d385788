"""Small facts that survive restarts, one JSON file each, below `storage.directory`.

What a device refuses, counters seen last, certificates trusted: losing one costs a few requests,
so a damaged file is set aside and a directory that cannot be written is said once.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import logging
import os
import socket
import threading
from collections.abc import Generator, Iterator, MutableMapping
from itertools import starmap
from pathlib import Path
from typing import cast

from sungather import errors
from sungather.own_file import is_same_file, open_own
from sungather.privileges import in_snap, instance
from sungather.untrusted import parsed_json
from sungather.worker import Worker

log = logging.getLogger(__name__)

CLOSE_WITHIN = 1.0
"""Seconds that closing may take; a disk that hangs is left alone after that."""


class Claim:
    """A directory that is one daemon's alone, until it ends in whatever way.

    Two would poll the same inverters, export everything twice, and take each other's socket.
    The directory itself is locked, too: a file in it can be removed. `take` and `is_whole` use the
    disk, and belong on a thread; `release` waits for neither.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._locked: dict[Path, int] = {}
        """What is locked, and its file descriptor; guarded by the lock."""
        self._lock = threading.Lock()
        self._released = False
        self._sign: socket.socket | None = None

    def hang_out_sign(self) -> bool:
        """Tell this machine that a daemon works here; whether no other has.

        That takes no disk. It is no lock: others may know the directory by another name, or sit
        in a network namespace of their own.
        """
        name = hashlib.sha256(os.fsencode(self._directory.absolute())).hexdigest()[:16]
        # In a snap no other names are allowed: snapd, interfaces/apparmor/template.go
        owner = f"snap.{instance()}" if in_snap() else "sungather"
        self._sign = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._sign.bind(f"\0{owner}.{name}")
        except OSError:
            return False
        return True

    def take(self) -> None:
        """Make the directory if need be, and lock what is there.

        Raises:
            OptionsError: another daemon has it.
        """
        with self._guarded():
            try:
                self._take()
            except BlockingIOError:
                self._close()
                raise errors.OptionsError(
                    [
                        f"Another daemon of SunGather already works in {self._directory}. Stop it "
                        "first. To run a second one beside it, give that one a storage.directory "
                        "and a web.port of its own."
                    ]
                ) from None

    def _take(self) -> None:
        for path in [path for path, opened in self._locked.items() if not _leads(path, opened)]:
            os.close(self._locked.pop(path))
        # What cannot be written is nobody's; `Storage` says so.
        with contextlib.suppress(OSError):
            self._directory.mkdir(parents=True, exist_ok=True)
        self._lock_file(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        self._lock_file(self._directory / "daemon.lock", os.O_RDWR | os.O_CREAT)

    def _lock_file(self, path: Path, flags: int) -> None:
        if path in self._locked:
            return
        try:
            opened = open_own(path, flags)
        except OSError:
            return
        self._locked[path] = opened
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            return  # a file system without locks

    def is_whole(self) -> bool:
        """Whether the directory and the lock are still there, and still those that were locked."""
        with self._guarded():
            return len(self._locked) == 2 and all(starmap(_leads, self._locked.items()))

    @contextlib.contextmanager
    def _guarded(self) -> Generator[None]:
        with self._lock:
            yield
        if self._released:
            self.release()

    def release(self) -> None:
        """Let others have it, now or when a thread goes on that hangs with the disk."""
        self._released = True
        if self._sign is not None:
            self._sign.close()
        if self._lock.acquire(blocking=False):
            try:
                self._close()
            finally:
                self._lock.release()

    def _close(self) -> None:
        for opened in self._locked.values():
            os.close(opened)
        self._locked.clear()


def _leads(path: Path, opened: int) -> bool:
    return is_same_file(path, os.fstat(opened))


class Storage:
    """JSON objects by name. Writes are atomic: a power cut leaves the old file or the new one.

    They happen on a thread, in the order in which they were asked for; of several that wait for
    a slow disk under one name, only the last is made.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._warned = False
        self._worker = Worker("storage")
        self._lock = threading.Lock()
        self._known: dict[str, str | None] = {}
        """Name -> what was loaded or saved last, None if it was removed; guarded by the lock."""
        self._waiting: dict[str, str | None] = {}
        """Name -> what is not on the disk yet, None for what is to go; guarded by the lock."""
        self._all_read = False

    async def read_all(self) -> None:
        """Read everything, on the thread: after that, `load` and `names` need no disk."""
        await self._worker.call(self._read_all)

    def _read_all(self) -> None:
        for name in self.names(""):
            self.load(name)
        self._all_read = True

    def load(self, name: str) -> dict[str, object]:
        """The object saved as `name` last; empty when there is none that can be read."""
        with self._lock:
            known = self._known.get(name, "")
        if known != "":
            return {} if known is None else cast(dict[str, object], json.loads(known))
        if self._all_read:
            return {}
        file = self.directory / f"{name}.json"
        try:
            with open(open_own(file, os.O_RDONLY), "rb") as stream:  # noqa: PTH123 (a descriptor)
                text = stream.read().decode("utf-8", "replace")
            content = parsed_json(text)
        except FileNotFoundError:
            return {}
        except OSError as error:
            self._warn(f"{file} cannot be read: {error.strerror}")
            return {}
        except ValueError:
            text, content = "", None
        if isinstance(content, dict):
            with self._lock:
                self._known.setdefault(name, text)
            return cast(dict[str, object], content)
        log.warning("%s is damaged; it is set aside as %s.damaged and begun anew", file, file.name)
        try:
            file.replace(file.with_name(f"{file.name}.damaged"))
        except OSError as error:
            self._warn(f"{file} cannot be renamed: {error.strerror}")
        return {}

    def save(self, name: str, content: dict[str, object]) -> None:
        """Have `content` written as `name` soon; a failure is logged once, the collector goes on.

        Returns at once: `close` waits for the disk.
        """
        self._put(name, json.dumps(content, separators=(",", ":")))

    def save_again(self) -> None:
        """Have everything written once more: the directory has lost it."""
        with self._lock:
            known = dict(self._known)
        for name, text in known.items():
            self._put(name, text)

    def remove(self, name: str) -> None:
        """Have what was saved as `name` removed soon, as `save`; harmless where there is none."""
        self._put(name, None)

    def names(self, start: str) -> list[str]:
        """Names that begin with `start`, of what is stored."""
        found: set[str] = set()
        if not self._all_read:
            found |= {file.stem for file in self.directory.glob(f"{start}*.json")}
        with self._lock:
            for name, text in self._known.items():
                if text is None:
                    found.discard(name)
                elif name.startswith(start):
                    found.add(name)
        return sorted(found)

    def _put(self, name: str, text: str | None) -> None:
        with self._lock:
            asked = name in self._waiting
            self._waiting[name] = self._known[name] = text
        if not asked:
            self._worker.post(lambda: self._write(name))

    async def close(self) -> None:
        """Wait until everything is on the disk, but not for one that hangs. `save` reopens it."""
        with self._lock:
            waiting = bool(self._waiting)
        if waiting:
            try:
                async with asyncio.timeout(CLOSE_WITHIN):
                    await self._worker.call(lambda: None)
            except TimeoutError:
                self._warn(f"{self.directory} cannot be written in time: its disk is stuck")
        self._worker.stop()

    def _write(self, name: str) -> None:
        """Write what waits under `name`, and what comes to wait there meanwhile."""
        written: str | None = ""
        while True:
            with self._lock:
                text = self._waiting[name]
                if text is written:
                    del self._waiting[name]
                    return
            self._replace(self.directory / f"{name}.json", text)
            written = text

    def _replace(self, file: Path, text: str | None) -> None:
        fresh = file.with_name(f"{file.name}.new")
        try:
            if text is None:
                file.unlink(missing_ok=True)
                return
            self.directory.mkdir(parents=True, exist_ok=True)
            fresh.unlink(missing_ok=True)
            opened = open_own(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            with open(opened, "w", encoding="utf-8") as stream:  # noqa: PTH123 (a descriptor)
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            fresh.replace(file)
        except OSError as error:
            self._warn(f"{file} cannot be written: {error.strerror}")
        else:
            self._warned = False

    def _warn(self, what: str) -> None:
        if not self._warned:
            log.warning("%s. What was learned is kept in memory until the next restart.", what)
        self._warned = True


class MemoryStorage(Storage):
    """JSON objects by name that are gone with the process."""

    def __init__(self) -> None:
        super().__init__(Path())
        self._all_read = True

    def _put(self, name: str, text: str | None) -> None:
        with self._lock:
            self._known[name] = text


class StoredTexts(MutableMapping[str, str]):
    """Texts by name that are written as soon as they change."""

    def __init__(self, storage: Storage, name: str) -> None:
        self._storage = storage
        self._name = name
        self._texts = {key: str(value) for key, value in storage.load(name).items()}

    def __getitem__(self, key: str) -> str:
        return self._texts[key]

    def __setitem__(self, key: str, value: str) -> None:
        if self._texts.get(key) != value:
            self._texts[key] = value
            self._save()

    def __delitem__(self, key: str) -> None:
        del self._texts[key]
        self._save()

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def _save(self) -> None:
        self._storage.save(self._name, dict(self._texts))
