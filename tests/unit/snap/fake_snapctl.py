#!/usr/bin/env python3
"""A strict stand-in for snapd as a snap sees it: `snapctl` over a JSON file, and `snap set`.

Written from snapd 2.68's answers on a real system. Unknown commands and arguments are errors.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import UnixStreamServer
from threading import Thread

_KEY = re.compile(r"(?:[a-z0-9]+-?)*[a-z](?:-?[a-z0-9])*")
STATE = "FAKE_SNAPCTL_STATE"
"""Environment variable with the path of the state's file."""


@dataclass
class State:
    """What snapd holds about the snap, and what was asked of it."""

    options: dict[str, str] = field(default_factory=dict[str, str])
    """Dotted key -> value as raw JSON."""
    startup: str = "disabled"
    current: str = "inactive"
    calls: list[list[str]] = field(default_factory=list[list[str]])
    health: list[str] = field(default_factory=list[str])
    """What the snap said last of its health."""
    queued: list[str] = field(default_factory=list[str])
    """What the hook asked to be done to the service, done when the hook has ended."""


class Snapd:
    """`snap set` and `snap unset`, with the configure hook behind them."""

    def __init__(self, file: Path, hook: Callable[[], int]) -> None:
        self._file = file
        self._hook = hook
        _save(file, State())

    @property
    def state(self) -> State:
        """The state after the last transaction."""
        return _load(self._file)

    def set(self, *settings: str) -> int:
        """As `snap set sungather SETTING …`; the value is the hook's exit code."""
        before = self.state
        wanted = State(**asdict(before))
        wanted.calls = []
        for setting in settings:
            key, equals, text = setting.partition("=")
            if not equals:
                key = key.removesuffix("!")
            _check(key)
            value = _raw(text) if equals else "null"
            for old in [k for k in wanted.options if k == key or k.startswith(f"{key}.")]:
                del wanted.options[old]
            if value != "null":
                wanted.options[key] = value
        _save(self._file, wanted)
        code = self._hook()
        if code:
            before.calls = self.state.calls
            _save(self._file, before)
        else:
            self.settle()
        return code

    def settle(self) -> None:
        """Do to the service what was asked for meanwhile."""
        state = self.state
        for action in state.queued:
            state.startup, state.current = {
                "start": ("enabled", "active"),
                "restart": (state.startup, "active"),
                "stop": ("disabled", "inactive"),
            }[action]
        state.queued = []
        _save(self._file, state)

    def put(self, state: State) -> None:
        """Let this be the state from now on."""
        _save(self._file, state)

    @contextmanager
    def listening(self, path: Path) -> Generator[None]:
        """The socket that `snapctl` itself uses; what comes over it is no program's argument."""
        file = self._file

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v2/snapctl"
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert request["context-id"] == os.environ["SNAP_COOKIE"]
                state = _load(file)
                try:
                    _answer(state, request["args"])
                except SystemExit:
                    status, reply = 400, {"type": "error", "status-code": 400}
                else:
                    _save(file, state)
                    status, reply = 200, {"type": "sync", "status-code": 200}
                body = json.dumps(reply).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def address_string(self) -> str:
                return "a snap"

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        with UnixStreamServer(str(path), Handler) as server:
            thread = Thread(target=server.serve_forever)
            thread.start()
            yield
            server.shutdown()
            thread.join()


def _check(key: str) -> None:
    if not all(_KEY.fullmatch(part) for part in key.split(".")):
        raise ValueError(f'invalid option name: "{key}"')


def _raw(text: str) -> str:
    """What snapd stores for a typed value: JSON as it stands, all else as a JSON string."""
    try:
        json.loads(text)
    except ValueError:
        return json.dumps(text)
    return text


def _load(file: Path) -> State:
    return State(**json.loads(file.read_text()))


def _save(file: Path, state: State) -> None:
    file.write_text(json.dumps(asdict(state)))


Tree = dict[str, "str | Tree"]


def _document(options: Mapping[str, str]) -> str:
    tree: Tree = {}
    for key, raw in options.items():
        *groups, last = key.split(".")
        branch = tree
        for group in groups:
            below = branch.setdefault(group, {})
            assert isinstance(below, dict), f"{key} is below a value"
            branch = below
        branch[last] = raw
    return _dump(tree)


def _dump(tree: "str | Tree") -> str:
    if isinstance(tree, str):
        return tree
    return "{" + ",".join(f"{json.dumps(k)}: {_dump(v)}" for k, v in tree.items()) + "}"


def main(arguments: list[str]) -> None:
    """Run one `snapctl` command."""
    file = Path(os.environ[STATE])
    state = _load(file)
    state.calls.append(arguments)
    _answer(state, arguments)
    _save(file, state)


def _answer(state: State, arguments: list[str]) -> None:
    match arguments:
        case ["get", "-d", "", ""]:
            print(_dump({"": _document(state.options)} if state.options else {}))
        case ["set", "-s", *settings] if settings:
            for setting in settings:
                key, equals, text = setting.partition("=")
                if not equals:
                    sys.exit(f"error: invalid configuration: {setting!r}")
                _check(key)
                state.options[key] = json.dumps(text)
        case ["unset", *keys] if keys:
            for key in keys:
                del state.options[key]
        case ["set-health", "okay"]:
            state.health = arguments[1:]
        case ["set-health", "waiting" | "blocked", message, code]:
            if not 7 <= len(message) <= 70:
                sys.exit("error: cannot call: message must be between 7 and 70 characters")
            if not re.fullmatch(r"--code=[a-z](?:-?[a-z0-9])+", code):
                sys.exit(f"error: invalid code {code}")
            state.health = arguments[1:]
        case ["services", "sungather.daemon"]:
            print("Service           Startup   Current   Notes")
            print(f"sungather.daemon  {state.startup}  {state.current}  -")
        case ["start", "--enable", "sungather.daemon"]:
            state.queued.append("start")
        case ["stop", "--disable", "sungather.daemon"]:
            state.queued.append("stop")
        case ["restart", "sungather.daemon"]:
            state.queued.append("restart")
        case _:
            sys.exit(f"error: snapctl does not know {arguments}")


if __name__ == "__main__":
    main(sys.argv[1:])
