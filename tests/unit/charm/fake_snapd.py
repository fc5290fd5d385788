"""A stateful fake of snapd below the real charmlibs-snap: its REST API on a Unix socket.

It knows one snap, sungather. Options are judged by the real check of the collector, as the snap's
configure hook does; every change that snapd would record is kept in `changes`.
"""

import json
import shutil
import socketserver
import subprocess
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from sungather.options.check import check
from sungather.options.values import text_of

Answer = dict[str, Any]
WELL_SINCE = "2099-11-23T17:05:00+01:00"
NOT_INSTALLED = {"message": "snap not installed", "kind": "snap-not-found", "value": "sungather"}


class FakeSnapd:
    """snapd with or without the snap."""

    def __init__(self, files: Path) -> None:
        self.files = files
        """Where it keeps the files of installed snaps."""
        self.store: dict[str, str] = {"latest/stable": "7", "latest/edge": "9"}
        """Channel -> the newest revision; older ones can be asked for …"""
        self.withdrawn: set[str] = set()
        """… but for these."""
        self.revision = ""
        """"" while the snap is not installed."""
        self.channel = ""
        """What it tracks; "" for a file."""
        self.held = False
        self.options: dict[str, str] = {}
        self.running = False
        self.enabled = False
        self.starts = True
        """Whether the service stays up when it is started."""
        self.under_way = ""
        """A change of somebody else's, such as "refresh-snap": snapd takes no other meanwhile."""
        self.refusal = ""
        """What it says to every change, such as that it is not seeded."""
        self.slow: tuple[str, ...] = ()
        """Programs that do not end in time, such as "snap" or "systemctl"."""
        self.health: Answer = {}
        """What the daemon said; without it that all is well."""
        self.changes: list[str] = []
        self.commands: list[tuple[str, ...]] = []
        """Every program that was run."""
        self.app_answers: dict[str, Answer | str] = {
            "readings": {"inverters": [{"name": "inverter", "model": "SH10RT"}], "exporters": []}
        }
        """App -> what it prints: JSON, or a text on standard error."""
        self.restored: list[str] = []
        """The content of each snapshot that was put back."""
        self._saved: dict[int, str] = {}
        self._next = 1
        self._errors: dict[str, str] = {}

    def answer(self, method: str, path: str, body: Answer) -> tuple[str, Any]:
        """The kind of response ("sync", "async" or "error") and its content."""
        if (message := self._no_change()) and method != "GET":
            kind = "snap-change-conflict" if self.under_way else ""
            return "error", {"message": message, "kind": kind}
        match method, path.strip("/").split("/")[1:]:
            case "GET", ["snaps", "sungather"]:
                return ("sync", self._info()) if self.revision else ("error", NOT_INSTALLED)
            case "POST", ["snaps", "sungather"]:
                return self._act(str(body["action"]), body)
            case "GET", ["snaps", "sungather", "conf"]:
                return "sync", self._tree()
            case "PUT", ["snaps", "sungather", "conf"]:
                return self._change("configure", self._configure(body))
            case "POST", ["apps"] if body["names"] == ["sungather.daemon"]:
                assert body["enable" if body["action"] == "start" else "disable"]
                self.enabled = body["action"] == "start"
                self.running = self.enabled and self.starts
                return self._change(str(body["action"]))
            case "GET", ["changes", number]:
                error = self._errors.get(number)
                return "sync", {"status": "Error", "err": error} if error else {"status": "Done"}
            case _:
                raise AssertionError(f"the fake snapd does not know {method} {path} {body}")

    def run(self, *command: str, timeout: float = 60) -> "subprocess.CompletedProcess[str]":
        """In the place of `process.run`."""
        self.commands.append(command)
        if command[0] in self.slow:
            raise subprocess.TimeoutExpired(command, timeout)
        match command:
            case ("snap", "install" | "refresh" | "save", *_) if message := self._no_change():
                return subprocess.CompletedProcess(command, 1, "", f"error: {message}\n")
            case ("snap", "install", "--dangerous", file):
                if not file.endswith(".snap"):
                    return subprocess.CompletedProcess(command, 1, "", f"error: no snap: {file}\n")
                number = int(self.revision[1:] or 0) + 1 if self.revision[:1] == "x" else 1
                self._install(f"x{number}", "")
                shutil.copy(file, self.files / f"sungather_{self.revision}.snap")
                return subprocess.CompletedProcess(command, 0, "", "")
            case ("snap", "refresh", "--amend", option, "sungather"):
                channel = option.removeprefix("--channel=")
                if channel not in self.store:
                    return subprocess.CompletedProcess(command, 1, "", "error: not there\n")
                self._install(self.store[channel], channel)
                return subprocess.CompletedProcess(command, 0, "", "")
            case ("systemctl", "disable", "--now", "snap.sungather.daemon.service"):
                self.running = self.enabled = False
                return subprocess.CompletedProcess(command, 0, "", "")
            case ("systemctl", "daemon-reload" | "try-restart", *_):
                return subprocess.CompletedProcess(command, 0, "", "")
            case ("systemctl", "enable" | "disable", "--now", unit) if unit.endswith(".timer"):
                return subprocess.CompletedProcess(command, 0, "", "")
            case ("snap", "save", "sungather"):
                assert not self.running, "a database is copied while it is written"
                self._saved[self._next] = json.dumps(self.options)
                self._next += 1
                table = f"Set  Snap  Age\n{self._next - 1}    sungather  1.2s\n"
                return subprocess.CompletedProcess(command, 0, table, "")
            case ("snap", "export-snapshot", number, file):
                Path(file).write_text(self._saved[int(number)])
                return subprocess.CompletedProcess(command, 0, "", "")
            case ("snap", "import-snapshot", file):
                content = Path(file).read_text()
                if not content.startswith("{"):
                    return subprocess.CompletedProcess(command, 1, "", "error: no snapshot\n")
                self._saved[self._next] = content
                self._next += 1
                said = f"Imported snapshot as #{self._next - 1}\nSet  Snap\n"
                return subprocess.CompletedProcess(command, 0, said, "")
            case ("snap", "restore", number, "sungather"):
                assert not self.running, "a database is replaced while it is written"
                self.options = json.loads(self._saved[int(number)])
                self.restored.append(self._saved[int(number)])
                return subprocess.CompletedProcess(command, 0, "", "")
            case ("snap", "forget", number):
                del self._saved[int(number)]
                return subprocess.CompletedProcess(command, 0, "", "")
            case ("snap", "run", app, "--format", "json", *_):
                answer = self.app_answers[app.removeprefix("sungather.")]
                if isinstance(answer, str):
                    return subprocess.CompletedProcess(command, 1, "", answer)
                return subprocess.CompletedProcess(command, 0, json.dumps(answer), "")
            case _:
                raise AssertionError(f"the fake snapd does not run {command}")

    @property
    def snapshots(self) -> int:
        """How many are left."""
        return len(self._saved)

    def _no_change(self) -> str:
        """Why it takes no change now."""
        if self.under_way:
            return f'snap "sungather" has "{self.under_way}" change in progress'
        return self.refusal

    def _info(self) -> Answer:
        known = {"name": "sungather", "version": "1.0.0", "confinement": "strict"}
        daemon = {"snap": "sungather", "name": "daemon", "daemon": "simple"}
        service = {"active": self.running, "enabled": self.enabled}
        found = known | {"revision": self.revision, "apps": [daemon | service]}
        if self.channel:
            found["tracking-channel"] = self.channel
        if self.held:
            found["hold"] = "2318-01-01T00:00:00Z"
        well = {"status": "okay", "timestamp": WELL_SINCE} if self.running else {}
        return found | ({"health": self.health or well})

    def _act(self, action: str, body: Answer) -> tuple[str, Any]:
        match action:
            case "install" | "refresh":
                if self.revision.startswith("x"):
                    return "error", {"message": "unknown to the store, use --amend", "kind": ""}
                channel = body.get("channel", self.channel or "latest/stable")
                if channel not in self.store:
                    return "error", {"message": "snap not found", "kind": "snap-not-found"}
                revision = body.get("revision", self.store[channel])
                if revision in self.withdrawn:
                    kind = "snap-revision-not-available"
                    return "error", {"message": "no snap revision available", "kind": kind}
                if revision == self.revision and channel == self.channel:
                    kind = "snap-no-update-available"
                    return "error", {"message": "snap has no updates available", "kind": kind}
                self._install(revision, channel)
            case "hold":
                self.held = True
            case "remove":
                if not self.revision:
                    return "error", NOT_INSTALLED
                assert body["purge"]
                self.revision, self.channel, self.options = "", "", {}
                self.running = self.enabled = False
            case _:
                raise AssertionError(f"the fake snapd does not know {action}")
        return self._change(action)

    def _install(self, revision: str, channel: str) -> None:
        self.revision, self.channel = revision, channel
        self.changes.append("installed")
        assert self._configure({}) is None

    def _configure(self, body: Answer) -> str | None:
        """Set options; the value is what snapd says when the configure hook refuses."""
        texts = dict(self.options)
        for key, value in body.items():
            if value is None:
                texts = {
                    k: v for k, v in texts.items() if k != key and not k.startswith(f"{key}.")
                }
            else:
                assert isinstance(value, str), "options go as typed, never as JSON"
                texts[key] = value
        checked = check(texts, need_inverter=False)
        if checked.problems:
            text = "\n".join(problem.message for problem in checked.problems)
            said = f"\n-----\n{text}\n-----" if "\n" in text else text
            return (
                "cannot perform the following tasks:\n"
                f'- Run configure hook of "sungather" snap (run hook "configure": {said})'
            )
        self.options = texts | {
            key: text_of(value) for key, value in checked.values.items() if key not in texts
        }
        self.enabled = checked.has_inverter
        self.running = self.enabled and self.starts
        return None

    def _tree(self) -> Answer:
        tree: Answer = {}
        for key, value in sorted(self.options.items()):  # as Go writes maps
            *groups, last = key.split(".")
            branch = tree
            for group in groups:
                branch = branch.setdefault(group, {})
            branch[last] = value
        return tree

    def _change(self, what: str, error: str | None = None) -> tuple[str, Any]:
        self.changes.append(what if error is None else f"refused: {what}")
        number = str(len(self.changes))
        if error is not None:
            self._errors[number] = error
        return "async", number


class Server(socketserver.ThreadingUnixStreamServer):
    """Serves a `FakeSnapd` on a socket, in a thread of its own; a context manager."""

    daemon_threads = True

    def __init__(self, socket: Path, fake: FakeSnapd) -> None:
        class Handler(_Handler):
            snapd = fake

        super().__init__(str(socket), Handler)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    snapd: FakeSnapd

    def do_GET(self) -> None:
        self._respond("GET")

    def do_POST(self) -> None:
        self._respond("POST")

    def do_PUT(self) -> None:
        self._respond("PUT")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base's name)
        """Say nothing."""

    def _respond(self, method: str) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body: Answer = json.loads(self.rfile.read(length) or b"{}")
        kind, content = self.snapd.answer(method, self.path, body)
        answer: Answer = {"type": kind, "status-code": 404 if kind == "error" else 200}
        answer |= {"change": content} if kind == "async" else {"result": content}
        data = json.dumps(answer).encode()
        self.send_response(answer["status-code"])
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
