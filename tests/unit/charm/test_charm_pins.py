"""Every unit has the same revision of the snap; it changes with the charm, forth and back."""

from dataclasses import replace
from pathlib import Path

import pytest
from charm_model import HOST, Config, Context, blocked, context_of, state
from fake_snapd import FakeSnapd
from ops import testing

import snap_pins
import sungather_snap

Peers = testing.PeerRelation


class Application:
    """The units of one application, a machine for each, and what the leaders have noted."""

    def __init__(
        self, charmcraft: dict[str, object], snapd: FakeSnapd, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.config: Config = HOST
        self.snapd = snapd
        self._charmcraft = charmcraft
        self._monkeypatch = monkeypatch
        self._machines: dict[int, tuple[str, str]] = {}
        self._noted: dict[str, str] = {}

    def charm(self, digest: str) -> None:
        """The charm of all units is another one from here on."""
        self._monkeypatch.setattr(snap_pins, "charm_digest", lambda: digest)

    def event(self, name: str, unit: int = 0, leader: int = 0) -> testing.State:
        """One event on one unit; Juju tells the others' databags."""
        self.snapd.revision, self.snapd.channel = self._machines.get(unit, ("", ""))
        sungather_snap.SET_KEYS.unlink(missing_ok=True)
        self.snapd.options = {}
        peers = Peers("standby", peers_data={1 - unit: {}}, local_app_data=self._noted)
        context = context_of(self._charmcraft, unit_id=unit)
        before = state(self.config, leader=unit == leader, relations=[peers])
        out = context.run(getattr(context.on, name)(), before)
        self._noted = dict(out.get_relation(peers.id).local_app_data)
        self._machines[unit] = (self.snapd.revision, self.snapd.channel)
        return out

    def revision(self, unit: int = 0) -> str:
        return self._machines[unit][0]


@pytest.fixture
def app(
    charmcraft: dict[str, object], snapd: FakeSnapd, monkeypatch: pytest.MonkeyPatch
) -> Application:
    """An application whose leader, unit 0, is deployed."""
    found = Application(charmcraft, snapd, monkeypatch)
    found.charm("first")
    found.event("config_changed")
    return found


def test_a_unit_that_is_added_later_is_no_newer(app: Application) -> None:
    app.snapd.store["latest/stable"] = "8"
    app.event("config_changed", unit=1)
    assert (app.revision(0), app.revision(1)) == ("7", "7")


def test_a_new_leader_keeps_what_the_last_one_noted(app: Application) -> None:
    app.snapd.store["latest/stable"] = "8"
    app.event("config_changed", unit=1)
    app.event("leader_elected", unit=1, leader=1)
    app.event("update_status", unit=0, leader=1)
    assert (app.revision(0), app.revision(1)) == ("7", "7")


def test_the_snap_goes_forth_and_back_with_the_charm_on_all_units(app: Application) -> None:
    app.event("config_changed", unit=1)
    app.snapd.store["latest/stable"] = "8"
    app.charm("second")
    # Whoever is first: the standby waits for what the leader gets.
    app.event("upgrade_charm", unit=1)
    assert app.revision(1) == "7"
    app.event("upgrade_charm", unit=0)
    app.event("update_status", unit=1)
    assert (app.revision(0), app.revision(1)) == ("8", "8")
    app.snapd.store["latest/stable"] = "9"
    app.charm("first")
    for unit in (0, 1):
        app.event("upgrade_charm", unit=unit)
    assert (app.revision(0), app.revision(1)) == ("7", "7")


def test_the_same_charm_again_changes_nothing(app: Application) -> None:
    """Juju tells of a refresh also when only a resource was attached."""
    app.snapd.store["latest/stable"] = "8"
    app.event("upgrade_charm")
    assert app.revision() == "7"


def test_a_revision_that_a_person_names_is_had_and_given_up_again(app: Application) -> None:
    app.config = HOST | {"snap-revision": 5}
    app.event("config_changed")
    assert app.revision() == "5"
    app.charm("second")
    app.event("upgrade_charm")
    assert app.revision() == "5"
    app.charm("first")
    app.config = HOST
    app.event("config_changed")
    assert app.revision() == "7"


def test_each_channel_has_a_revision_of_its_own(app: Application) -> None:
    app.config = HOST | {"snap-channel": "latest/edge"}
    app.event("config_changed")
    assert app.revision() == "9"
    app.snapd.store["latest/stable"] = "8"
    app.config = HOST
    app.event("config_changed")
    assert app.revision() == "7"


def test_a_revision_that_the_store_has_no_more_leaves_the_snap_alone(app: Application) -> None:
    app.snapd.withdrawn.add("5")
    app.config = HOST | {"snap-revision": 5}
    message = blocked(app.event("config_changed").unit_status)
    assert message.startswith("the snap stays as it is, because it cannot be refreshed: ")
    assert (app.revision(), app.snapd.running) == ("7", True)


def test_what_is_noted_does_not_grow_for_ever(app: Application) -> None:
    for number in range(50):
        app.charm(str(number))
        app.event("upgrade_charm")
    (peers,) = app.event("update_status").get_relations("standby")
    noted = peers.local_app_data["snap-revisions"]
    assert len(noted) < 2_000
    assert '"49 latest/stable ' in noted, "the newest stay"


def test_the_digest_of_a_charm_is_that_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snap_pins, "SOURCE", tmp_path)
    digests: list[str] = []
    for content in ("one", "two", "one"):
        (tmp_path / "charm.py").write_text(content)
        snap_pins.charm_digest.cache_clear()
        digests.append(snap_pins.charm_digest())
    snap_pins.charm_digest.cache_clear()
    assert digests[0] == digests[2] != digests[1]


def test_a_snap_of_a_file_is_noted_nowhere(
    context: Context, snapd: FakeSnapd, snap_file: Path
) -> None:
    peers = Peers("standby")
    before = state(HOST, file=snap_file, relations=[peers])
    out = context.run(context.on.config_changed(), before)
    assert "snap-revisions" not in out.get_relation(peers.id).local_app_data
    out = context.run(context.on.config_changed(), replace(out, resources=state().resources))
    assert "snap-revisions" in out.get_relation(peers.id).local_app_data
