"""What the charm's tests say of the model, in few words."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from fake_snapd import FakeSnapd
from ops import testing

from charm import SungatherCharm

Context = testing.Context[SungatherCharm]
Config = dict[str, str | int | float | bool]

MODEL = testing.Model(name="home", uuid="11111111-1111-4111-8111-111111111111", type="lxd")
HOST: Config = {"inverter-host": "192.168.1.10"}
SECRET = "swordfish"
READS = "reading SH10RT since 2099-11-23 16:05 UTC"
"""What a unit says when all is well."""
CREDENTIALS = testing.Secret(
    {"username": "user", "password": SECRET}, id="secret:9m4e2mr0ui3e8a215n4g"
)


def context_of(charmcraft: dict[str, Any], **more: Any) -> testing.Context[SungatherCharm]:
    """The charm in Juju's hands."""
    parts = ("config", "actions")
    meta = {key: value for key, value in charmcraft.items() if key not in parts}
    return testing.Context(
        SungatherCharm,
        meta=meta,
        config=charmcraft["config"],
        actions=charmcraft["actions"],
        **more,
    )


def state(
    config: Config | None = None,
    *secrets: testing.Secret,
    file: Path = Path(os.devnull),
    leader: bool = True,
    **more: Any,
) -> testing.State:
    """A model; without another file the resource is an empty one."""
    resource = testing.Resource(name="sungather-snap", path=file)
    return testing.State(
        config=config or {},
        secrets=secrets,
        resources=[resource],
        leader=leader,
        model=MODEL,
        **more,
    )


def after_config_changed(context: Context, before: testing.State) -> testing.State:
    return context.run(context.on.config_changed(), before)


def status(context: Context, before: testing.State) -> Any:
    """The unit's status after config-changed."""
    return after_config_changed(context, before).unit_status


def nobody_listens(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    """snapd is restarting: its socket is there, and nobody listens."""
    path = str(directory / "dead.socket")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path)
    monkeypatch.setattr("charmlibs.snap._client._SOCKET_PATH", path)
    monkeypatch.setattr("snapd_socket.SOCKET", path)
    monkeypatch.setattr("charmlibs.snap._client._CONNECTION_RETRY_BUDGET", 0)


def active(*more: str) -> testing.ActiveStatus:
    """The status of a unit that reads, and has this to say besides."""
    return testing.ActiveStatus("; ".join((*more, READS)))


def polls(snapd: FakeSnapd) -> bool:
    """Whether the daemon of this machine reads inverters."""
    return snapd.running and snapd.options.get("outbox.deliver-only") != "true"


def waiting(found: Any) -> str:
    """The message of a status that must be waiting."""
    assert isinstance(found, testing.WaitingStatus), found
    return found.message


def blocked(found: Any) -> str:
    """The message of a status that must be blocked."""
    assert isinstance(found, testing.BlockedStatus), found
    return found.message
