"""How many Modbus clients there may be on a machine that gives few file descriptors."""

import resource
import sys

import pytest

from sungather.modbus_server import server


@pytest.mark.parametrize(
    ("descriptors", "clients"),
    [(20, 2), (56, 2), (64, 4), (1024, 244), (resource.RLIM_INFINITY, sys.maxsize), (0, 2)],
)
def test_clients_leave_descriptors_for_everything_else(
    monkeypatch: pytest.MonkeyPatch, descriptors: int, clients: int
) -> None:
    def limits(_: int) -> tuple[int, int]:
        return descriptors, descriptors

    monkeypatch.setattr(resource, "getrlimit", limits)
    assert server._most_clients() == clients  # pyright: ignore[reportPrivateUsage]
