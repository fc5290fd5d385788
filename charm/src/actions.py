"""The actions: the snap's apps, run and told. They work whenever the snap can run them."""

import pathlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import ops

import action_results
import snap_apps
import snap_data
import snap_errors
import snap_pins
import sungather_snap
import troubles

if TYPE_CHECKING:
    from charm import SungatherCharm

DISCOVERY_SECONDS = 580.0
Results = Callable[[action_results.Answer], dict[str, object]]


class Actions(ops.Object):
    """What `juju run` can ask of a unit."""

    def __init__(self, charm: "SungatherCharm"):
        super().__init__(charm, "actions")
        self._charm = charm
        self.framework.observe(charm.on.run_once_action, self._on_run_once)
        self.framework.observe(charm.on.get_inverter_info_action, self._on_get_inverter_info)
        self.framework.observe(charm.on.test_connection_action, self._on_test_connection)
        self.framework.observe(charm.on.get_readings_action, self._on_get_readings)
        self.framework.observe(charm.on.discover_action, self._on_discover)
        self.framework.observe(charm.on.refresh_snap_action, self._on_refresh_snap)
        self.framework.observe(charm.on.export_history_action, self._on_export_history)
        self.framework.observe(charm.on.backup_action, self._on_backup)
        self.framework.observe(charm.on.restore_action, self._on_restore)

    def _on_run_once(self, event: ops.ActionEvent) -> None:
        """Read everything now, and export it."""
        self._ask_inverters(event, "run-once", action_results.summary, needs_readings=True)

    def _on_get_readings(self, event: ops.ActionEvent) -> None:
        """The newest values."""
        results = action_results.newest_readings
        self._ask_inverters(event, "readings", results, needs_readings=True)

    def _on_get_inverter_info(self, event: ops.ActionEvent) -> None:
        """What the inverters are."""
        self._ask_inverters(event, "get-inverter-info", action_results.by_inverter)

    def _on_test_connection(self, event: ops.ActionEvent) -> None:
        """Try the way to the inverters; a standby tries its own."""
        self._ask_inverters(event, "test-connection", action_results.by_inverter)

    def _on_discover(self, event: ops.ActionEvent) -> None:
        """Look for inverters."""
        self._charm.reconcile()
        network = event.params.get("network", "")
        arguments = ["--network", network] if network else []
        answer = self._run_app(event, "discover", *arguments, within=DISCOVERY_SECONDS)
        if answer is None:
            return
        extra = self._charm.settings.extra_options
        event.set_results(action_results.discovered(answer, extra))
        if not answer["found"]:
            event.fail(f"no Sungrow device answers in {' '.join(answer['networks'])}")

    def _on_refresh_snap(self, event: ops.ActionEvent) -> None:
        """Take what is newest in the channel; the other units follow through the peer relation."""
        self._attempt(event, self._refresh_snap)

    def _refresh_snap(self, event: ops.ActionEvent) -> None:
        charm, app = self._charm, self._charm.app.name
        before = sungather_snap.get_revision() if charm.owns_snap else ""
        if not before:
            self._fail(event)
        elif sungather_snap.is_from_file():
            event.fail(f"the snap is a file: juju attach-resource {app} sungather-snap=FILE")
        elif charm.settings.snap_revision:
            event.fail(f"a revision is named: juju config {app} snap-revision=0")
        elif not charm.unit.is_leader():
            event.fail(f"the leader decides for all units: juju run {app}/leader refresh-snap")
        else:
            channel = charm.settings.snap_channel
            sungather_snap.ensure_installed(None, channel, update=True)
            after = sungather_snap.get_revision()
            snap_pins.note(charm, channel, after)
            event.set_results({"before": before, "after": after})

    def _on_export_history(self, event: ops.ActionEvent) -> None:
        """The page's table of energies, one row a day, as a file."""
        charm, app = self._charm, self._charm.app.name
        charm.reconcile()
        if not charm.owns_snap:
            self._fail(event)
            return
        if not charm.polls:
            event.fail(f"a standby has no page: juju run {app}/leader export-history")
            return
        port = charm.ports().page
        if port is None:
            event.fail(f"the page keeps the history: juju config {app} enable-webserver=true")
            return
        last = datetime.now(UTC).date()
        first = last - timedelta(days=event.params.get("days", 366) - 1)
        period = f"first={first}&last={last}"
        address = f"http://localhost:{port}/api/v1/energies.csv"
        import urllib.request  # Events that need no HTTP do not pay for it.

        try:
            got = urllib.request.urlopen(f"{address}?{period}", timeout=60)  # noqa: S310 (http)
            with got:
                content = got.read()
        except OSError as error:
            self._fail(event, f"the page gives no history: {error}")
            return
        file = self._file("history", "csv")
        file.write_bytes(content)
        snap_data.hand_over(file)
        self._hand_out(event, file)

    def _on_backup(self, event: ops.ActionEvent) -> None:
        """Save what the snap keeps into a file."""
        self._attempt(event, self._backup)

    def _backup(self, event: ops.ActionEvent) -> None:
        file = self._file("backup", "zip")
        if self._with_snap(event, lambda: snap_data.backup(file)):
            self._hand_out(event, file)

    def _on_restore(self, event: ops.ActionEvent) -> None:
        """Put back what `backup` has saved."""
        self._attempt(event, self._restore)

    def _restore(self, event: ops.ActionEvent) -> None:
        file = pathlib.Path(event.params["file"])
        if not file.is_file():
            event.fail(f"{file} is not there: juju scp FILE {self._charm.unit.name}:{file}")
        elif self._with_snap(event, lambda: snap_data.restore(file)):
            event.set_results({"restored": str(file)})

    def _with_snap(self, event: ops.ActionEvent, work: Callable[[], None]) -> bool:
        """Do something with the stopped snap, then start it again; whether there was one."""
        charm = self._charm
        if not (charm.owns_snap and sungather_snap.is_installed()):
            self._fail(event)
            return False
        try:
            work()
        finally:
            # The daemon runs again, and the options are the model's.
            charm.reconcile()
        return True

    def _attempt(self, event: ops.ActionEvent, work: Callable[[ops.ActionEvent], None]) -> None:
        """Work with the snap; what snapd has against it fails the action."""
        self._charm.reconcile()
        try:
            work(event)
        except snap_errors.SnapError as error:
            self._fail(event, str(error))

    def _file(self, what: str, kind: str) -> pathlib.Path:
        unit = self._charm.unit.name.replace("/", "-")
        return snap_data.place(f"{unit}-{what}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.{kind}")

    def _hand_out(self, event: ops.ActionEvent, file: pathlib.Path) -> None:
        fetch = f"juju scp {self._charm.unit.name}:{file} ."
        event.set_results({"file": str(file), "fetch": fetch})

    def _ask_inverters(
        self, event: ops.ActionEvent, app: str, results: Results, *, needs_readings: bool = False
    ) -> None:
        """Run an app about the inverters, and tell what it says of them.

        Args:
            event: the action.
            app: the app of the snap.
            results: makes the results of its answer.
            needs_readings: whether it tells of readings, of which a standby has none.
        """
        charm = self._charm
        charm.reconcile()
        if needs_readings and not charm.polls:
            action = event.handle.kind.removesuffix("_action").replace("_", "-")
            event.fail(f"a standby has no readings: juju run {charm.app.name}/leader {action}")
            return
        if not charm.names_inverter:
            event.fail(troubles.name_the_inverter(charm.app.name))
            return
        if not charm.owns_snap:
            self._fail(event)
            return
        answer = self._run_app(event, app)
        if answer is None:
            return
        told = results(answer)
        event.set_results(told if charm.polls else told | {"standby": "true"})
        if sentence := action_results.failure(answer):
            event.fail(sentence)

    def _run_app(
        self, event: ops.ActionEvent, app: str, *arguments: str, within: float = 120
    ) -> snap_apps.Answer | None:
        """What an app of the snap answers. If it gives no answer, the action fails with why."""
        try:
            if sungather_snap.is_installed():
                return snap_apps.run(app, *arguments, within=within)
            words = ""
        except (snap_apps.AppFailed, snap_errors.SnapError) as error:
            words = str(error)
        self._fail(event, words)
        return None

    def _fail(self, event: ops.ActionEvent, words: str = "") -> None:
        """Fail an action with these words, and with what else is wrong."""
        told = [words, *(status.message for status in self._charm.troubles)]
        if not any(told):
            app = self._charm.app.name
            told = [f"another unit of {app} works with the snap of this machine: run it there"]
        event.fail(" | ".join(dict.fromkeys(filter(None, told))))
