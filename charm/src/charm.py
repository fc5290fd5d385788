#!/usr/bin/env python3
"""The machine charm of SunGather: Juju's side; the snap's side is sungather_snap.py."""

import functools
import logging
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping

import ops

import action_results
import config
import cos_agent
import credentials
import daemon_status
import desired_options
import extra_options
import grafana_dashboard
import ingress
import metrics_endpoint
import mqtt
import ownership
import snap_apps
import snap_errors
import snap_pins
import standby
import sungather_snap
import troubles

logger = logging.getLogger(__name__)

NEED_PAGE = (cos_agent.ENDPOINT, metrics_endpoint.ENDPOINT, ingress.ENDPOINT)
DISCOVERY_SECONDS = 580.0


class SungatherCharm(ops.CharmBase):
    """Brings the snap to what the model says, at every event anew."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self._tracing = ops.tracing.Tracing(
            self, "charm-tracing", ca_relation_name="receive-ca-cert"
        )
        self._reconciled = False
        self._troubles: list[ops.StatusBase] = []
        """What the steps of this event could not do."""
        self._owns_snap = False
        """Whether the snap of this machine does what this unit says."""
        self._left_with = ""
        """What is left to say of a unit that goes."""
        for event in (
            self.on.install,
            self.on.start,
            self.on.config_changed,
            self.on.secret_changed,
            self.on.leader_elected,
            self.on.update_status,
            self.on.upgrade_charm,
        ):
            framework.observe(event, self._on_any_event)
        for relation in (self.on[name] for name in self.meta.relations):
            framework.observe(relation.relation_created, self._on_any_event)
            framework.observe(relation.relation_joined, self._on_any_event)
            framework.observe(relation.relation_changed, self._on_any_event)
            framework.observe(relation.relation_departed, self._on_any_event)
            framework.observe(relation.relation_broken, self._on_any_event)
        framework.observe(self.on.stop, self._on_stop)
        framework.observe(self.on.remove, self._on_remove)
        framework.observe(self.on.run_once_action, self._on_run_once_action)
        framework.observe(self.on.get_inverter_info_action, self._on_get_inverter_info_action)
        framework.observe(self.on.test_connection_action, self._on_test_connection_action)
        framework.observe(self.on.get_readings_action, self._on_get_readings_action)
        framework.observe(self.on.discover_action, self._on_discover_action)
        framework.observe(self.on.collect_unit_status, self._on_collect_status)

    def _on_any_event(self, _: ops.EventBase) -> None:
        self._reconcile()

    def _on_stop(self, _: ops.StopEvent) -> None:
        """Stop polling: from here on another unit may be told to."""
        self._left_with = "stopped"
        try:
            if ownership.claim(self._me(), polls=False):
                sungather_snap.ensure_stopped()
        except ownership.OwnedByAnother:
            logger.info("the snap belongs to another application and is left alone")

    def _on_remove(self, _: ops.RemoveEvent) -> None:
        """Remove the snap. An error makes Juju run the hook again, so the claim goes last."""
        self._left_with = "removed"
        if ownership.is_last_owner(self._me()):
            sungather_snap.ensure_removed()
        ownership.release(self._me())

    def _on_run_once_action(self, event: ops.ActionEvent) -> None:
        self._ask_inverters(event, "run-once", action_results.summary)

    def _on_get_inverter_info_action(self, event: ops.ActionEvent) -> None:
        self._ask_inverters(event, "get-inverter-info", action_results.by_inverter)

    def _on_test_connection_action(self, event: ops.ActionEvent) -> None:
        self._ask_inverters(event, "test-connection", action_results.by_inverter)

    def _on_get_readings_action(self, event: ops.ActionEvent) -> None:
        self._ask_inverters(event, "readings", action_results.newest_readings)

    def _on_discover_action(self, event: ops.ActionEvent) -> None:
        self._reconcile()
        network = event.params.get("network", "")
        arguments = ["--network", network] if network else []
        answer = self._run_app(event, "discover", *arguments, within=DISCOVERY_SECONDS)
        if answer is None:
            return
        event.set_results(action_results.discovered(answer))
        if not answer["found"]:
            event.fail(f"no Sungrow device answers in {' '.join(answer['networks'])}")

    def _on_collect_status(self, event: ops.CollectStatusEvent) -> None:
        """Report all that is wrong or worth saying (runs after each event)."""
        if self._left_with:
            event.add_status(ops.MaintenanceStatus(self._left_with))
            return
        if not self._reconciled:
            self._reconcile()  # No handler did: an event that the charm does not observe.
        found = [ops.ActiveStatus(), *self._troubles]
        try:
            found += self._observed()
        except troubles.KNOWN as error:
            found.append(self._status_of(error))
        for status in troubles.combined(found):
            event.add_status(status)

    def _ask_inverters(
        self,
        event: ops.ActionEvent,
        app: str,
        results: Callable[[action_results.Answer], dict[str, object]],
    ) -> None:
        if not self.unit.is_leader():
            action = event.handle.kind.removesuffix("_action").replace("_", "-")
            event.fail(f"a standby reads no inverter: juju run {self.app.name}/leader {action}")
            return
        if not self._settings.inverter_host:
            event.fail(self._name_the_inverter())
            return
        self._reconcile()
        if not self._owns_snap:
            self._fail(event)
            return
        answer = self._run_app(event, app)
        if answer is None:
            return
        event.set_results(results(answer))
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
        told = [words, *(status.message for status in self._troubles)]
        event.fail(" | ".join(dict.fromkeys(filter(None, told))))

    def _reconcile(self) -> None:
        """Make snap, relations and ports what the model says, whatever they were.

        Each step stands for itself: what one cannot do is kept for the status, and hides no other.
        """
        self._reconciled = True
        for step in (
            self._claim_snap,
            self._announce_leader,
            self._ensure_snap,
            self._ensure_options,
            self._ensure_proxy,
            self._ensure_daemon,
            self._ensure_relations,
            self._ensure_ports,
        ):
            try:
                step()
            except troubles.KNOWN as error:
                self._troubles.append(self._status_of(error))

    def _claim_snap(self) -> None:
        """Settle whose the snap is. A former leader stops before anything else can fail."""
        leads = self.unit.is_leader()
        self._owns_snap = ownership.claim(self._me(), polls=leads)
        if self._owns_snap and not leads:
            sungather_snap.ensure_stopped()

    def _announce_leader(self) -> None:
        standby.announce(self)

    def _ensure_snap(self) -> None:
        """Have the snap from the resource or the Store: the revision that all units have."""
        if not self._owns_snap:
            return
        channel = self._settings.snap_channel
        pinned = str(self._settings.snap_revision or snap_pins.noted(self, channel))
        before = sungather_snap.get_revision()
        try:
            file = self._snap_file()
            # A charm that no revision is noted of is new here, and its snap comes with it.
            update = file is None and not pinned and snap_pins.can_be_noted(self)
            other = file is None and pinned not in ("", before)
            if not before or update or other:
                self.unit.status = ops.MaintenanceStatus("installing the snap")
            if sungather_snap.ensure_installed(file, channel, revision=pinned, update=update):
                logger.info("the snap %s is installed anew", sungather_snap.NAME)
            if file is None and not self._settings.snap_revision:
                snap_pins.note(self, channel, sungather_snap.get_revision())
        except ops.ModelError as error:
            words = f"the resource sungather-snap cannot be fetched: {error}"
            self._tell(ops.WaitingStatus, words)
        except snap_errors.NotInstallable as error:
            if not before:
                raise
            words = f"the snap stays as it is, for it cannot be refreshed: {error}"
            self._tell(ops.BlockedStatus, words)
        if sungather_snap.is_installed():
            self.unit.set_workload_version(sungather_snap.get_version())

    def _ensure_options(self) -> None:
        """Set the snap's options, but for those that hang on a secret which cannot be used."""
        if not self._owns_snap:
            return
        secrets = credentials.read(self._settings, self.app.name)
        for problem in secrets.problems:
            self._tell(ops.BlockedStatus, problem)
        extra = extra_options.parse(self._settings.extra_options)
        topics = mqtt.wanted_permissions(config.snap_options(self._settings) | extra)
        mqtt.request(self, topics)
        broker = mqtt.broker(self, topics)
        if broker.problem:
            self._tell(ops.WaitingStatus, broker.problem)
        if broker.remark:
            self._tell(ops.ActiveStatus, broker.remark)
        if not sungather_snap.is_installed():
            return
        changed = sungather_snap.ensure_options(
            desired_options.options(
                self._settings,
                secrets.contents,
                extra,
                broker.options,
                polls=self.unit.is_leader(),
            )
        )
        if changed:
            logger.info("the snap's options are set")

    def _ensure_proxy(self) -> None:
        if self._owns_snap and sungather_snap.is_installed():
            sungather_snap.ensure_proxy(_proxy())

    def _ensure_daemon(self) -> None:
        """Let the daemon run on the leader and nowhere else."""
        if not (self._owns_snap and sungather_snap.is_installed()):
            return
        if not self.unit.is_leader():
            # The snap's own hook starts it as long as an inverter is named.
            sungather_snap.ensure_stopped()
        elif sungather_snap.has_inverter():
            sungather_snap.ensure_running()

    def _ensure_relations(self) -> None:
        """Tell the others what there is, in whatever state this unit is."""
        port = self._settings.webserver_port
        page = self._page()
        cos_agent.publish(self, page if self.unit.is_leader() else None)
        metrics_endpoint.publish(self, page, polls=self.unit.is_leader())
        grafana_dashboard.publish(self)
        ingress.publish(self, port)

    def _ensure_ports(self) -> None:
        page = self._page()
        self.unit.set_ports(*([page] if page and self.unit.is_leader() else []))

    def _observed(self) -> Iterator[ops.StatusBase]:
        """What can be seen of relations and daemon, whether the steps succeeded or not."""
        if not self._settings.enable_webserver:
            for endpoint in NEED_PAGE:
                if self.model.relations[endpoint]:
                    yield ops.BlockedStatus(
                        f"the relation {endpoint} needs the page: "
                        f"juju config {self.app.name} enable-webserver=true"
                    )
        if refusal := grafana_dashboard.problem(self):
            yield ops.ActiveStatus(refusal)
        if not self.unit.is_leader():
            who = standby.polling_unit(self) or "the leader"
            yield ops.ActiveStatus(f"standby: {who} reads the inverter")
        elif self._owns_snap and not self._settings.inverter_host:
            yield ops.BlockedStatus(self._name_the_inverter())
        elif self._owns_snap and sungather_snap.is_installed() and sungather_snap.has_inverter():
            yield daemon_status.status(sungather_snap.get_state(), self.unit.name)
            if url := ingress.url(self):
                yield ops.ActiveStatus(f"page at {url}")

    def _tell(self, kind: Callable[[str], ops.StatusBase], message: str) -> None:
        """Keep a trouble of a step that goes on nevertheless."""
        self._troubles.append(kind(" ".join(message.split())))

    def _status_of(self, error: Exception) -> ops.StatusBase:
        return troubles.status(error, self.app.name, self.unit.name)

    def _name_the_inverter(self) -> str:
        return f"say where the inverter is: juju config {self.app.name} inverter-host=ADDRESS"

    def _page(self) -> int | None:
        """Port of the page; None if there is none, or it is another application's."""
        here = self._settings.enable_webserver and self._owns_snap
        return self._settings.webserver_port if here else None

    def _me(self) -> ownership.Unit:
        return ownership.Unit(self.model.uuid, self.unit.name, self.charm_dir)

    @functools.cached_property
    def _settings(self) -> config.Config:
        found = self.load_config(config.Config, errors="blocked")
        if found.mqtt_topic:
            return found
        # Applications on one broker must not overwrite each other's retained messages.
        topic = f"sungather/{self.model.name}/{self.app.name}"
        return found.model_copy(update={"mqtt_topic": topic})

    def _snap_file(self) -> pathlib.Path | None:
        """The snap as a file; None if it is to come from the Store.

        Raises:
            ops.ModelError: Juju cannot say which.
        """
        try:
            file = self.model.resources.fetch("sungather-snap")
        except ops.ModelError as error:
            # A charm that was deployed from a file without the resource has none.
            if "not found" in str(error) and not sungather_snap.is_from_file():
                return None
            raise
        return file if file.stat().st_size else None


def _proxy() -> Mapping[str, str]:
    """The model's proxy settings, as Juju gives them to hooks."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    return {n: value for n in names if (value := os.environ.get(f"JUJU_CHARM_{n}"))}


if __name__ == "__main__":  # pragma: no cover
    ops.main(SungatherCharm)
