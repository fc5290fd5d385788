"""What is remembered of a dongle belongs to its address."""

from dataclasses import replace
from pathlib import Path

import pytest
from support import OPTIONS

from sungather.daemon.dongle_memory import DongleMemories
from sungather.storage import Storage

WEB = replace(OPTIONS, connection="http", host="192.168.1.10", port=None)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


@pytest.mark.parametrize("other", [{"host": "192.168.1.11"}, {"port": 8443}])
def test_another_address_has_another_certificate(
    storage: Storage, other: dict[str, object]
) -> None:
    dongles = DongleMemories(storage)
    dongles.of(WEB)["certificate"] = "aa"
    assert not dongles.of(replace(WEB, **other))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "same", [{"name": "barn"}, {"port": 443}, {"unit": 2}, {"host": "192.168.1.10."}]
)
async def test_the_same_address_keeps_its_certificate_whatever_else_changes(
    storage: Storage, tmp_path: Path, same: dict[str, object]
) -> None:
    DongleMemories(storage).of(WEB)["certificate"] = "aa"
    await storage.close()
    memory = DongleMemories(Storage(tmp_path)).of(replace(WEB, **same))  # pyright: ignore[reportArgumentType]
    assert memory["certificate"] == "aa"


def test_inverters_behind_one_dongle_share_what_is_known_of_it(storage: Storage) -> None:
    dongles = DongleMemories(storage)
    first, second = dongles.of(WEB), dongles.of(replace(WEB, name="barn", unit=2))
    first["certificate"] = "aa"
    assert second["certificate"] == "aa"


async def test_a_memory_by_name_is_taken_over_once_and_by_the_address_of_then(
    storage: Storage, tmp_path: Path
) -> None:
    """A certificate that was trusted is not lost with an update, nor is it ever trusted twice."""
    storage.save("way-inverter", {"certificate": "aa", "way": "https:443"})
    assert DongleMemories(storage).of(WEB) == {"certificate": "aa", "way": "https:443"}
    await storage.close()
    assert not (tmp_path / "way-inverter.json").exists()
    elsewhere = replace(WEB, host="192.168.1.11")
    assert not DongleMemories(Storage(tmp_path)).of(elsewhere)


async def test_a_memory_by_name_does_not_replace_one_by_address(storage: Storage) -> None:
    DongleMemories(storage).of(WEB)["certificate"] = "aa"
    storage.save("way-inverter", {"certificate": "bb"})
    assert DongleMemories(storage).of(WEB)["certificate"] == "aa"


def test_other_connections_leave_a_memory_by_name_alone(storage: Storage) -> None:
    storage.save("way-inverter", {"certificate": "aa"})
    assert not DongleMemories(storage).of(OPTIONS)
    assert storage.load("way-inverter")
