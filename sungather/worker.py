"""Threads for blocking work (a disk, a socket) that nobody waits for when the process ends.

A thread pool would be waited for, so that one hanging server could hold up a shutdown; these
threads are daemons and are simply left behind.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")

HANGS_AFTER = 10.0
"""Seconds after which work that goes on is told as hanging."""


class DaemonThreads(ThreadPoolExecutor):
    """An executor for an event loop; each call has a thread of its own.

    The loop and libraries give it what is rare and may hang for long: looking up a name,
    connecting. asyncio insists on this base class.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Run `fn` at once."""
        future: Future[T] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        threading.Thread(target=job, name="helper", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave behind what is under way."""


def leave_threads_behind() -> None:
    """Have the running event loop end without waiting for a name or a connection."""
    asyncio.get_running_loop().set_default_executor(DaemonThreads())


class Worker:
    """Runs callables one after the other, in the order in which they were handed over."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] | None = None
        self._busy_since: float | None = None
        """When the work that is under way began, by the clock that only goes forward."""

    @property
    def hangs(self) -> bool:
        """Whether the work that is under way takes longer than any disk that is well."""
        since = self._busy_since
        return since is not None and time.monotonic() - since >= HANGS_AFTER

    def post(self, job: Callable[[], None]) -> None:
        """Run `job` on the thread; nobody waits for it, and it must not raise."""
        if self._jobs is None:
            self._jobs = queue.SimpleQueue()
            threading.Thread(
                target=self._work, args=(self._jobs,), name=self._name, daemon=True
            ).start()
        self._jobs.put(job)

    def call(self, work: Callable[..., T], *arguments: object) -> "asyncio.Future[T]":
        """Run `work` on the thread. The future carries its result or exception into the loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            try:
                result = work(*arguments)
            except BaseException as error:
                _hand_over(loop, _fail, future, error)
            else:
                _hand_over(loop, _succeed, future, result)

        self.post(job)
        return future

    def stop(self) -> None:
        """Let the thread end after what it was given so far; does not wait for it."""
        if self._jobs is not None:
            self._jobs.put(None)
            self._jobs = None

    def _work(self, jobs: "queue.SimpleQueue[Callable[[], None] | None]") -> None:
        while (job := jobs.get()) is not None:
            self._busy_since = time.monotonic()
            job()
            self._busy_since = None
            del job


def _hand_over(
    loop: asyncio.AbstractEventLoop, step: Callable[..., None], *arguments: object
) -> None:
    try:
        loop.call_soon_threadsafe(step, *arguments)
    except RuntimeError:
        # The loop is closed: nobody waits for this answer any more.
        return


def _succeed(future: "asyncio.Future[T]", result: T) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: "asyncio.Future[object]", error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
