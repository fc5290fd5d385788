#!/usr/bin/env python3
"""The machine charm of SunGather: Juju's side; the snap's side is sungather_snap.py."""

import contextlib
import functools
import logging
import os
import pathlib
from collections.abc import Callable, Mapping

import ops

import action_results
import config
import cos_agent
import credentials
import daemon_status
import desired_options
import extra_options
import grafana_dashboard
import health_timer
import ingress
import metrics_endpoint
import mqtt
import ownership
import snap_apps
import snap_errors
import snap_pins
import snap_ports
import snapd_state
import standby
import sungather_snap
import troubles
import unit_inverters
import unit_status
from actions import Actions

logger = logging.getLogger(__name__)


class SungatherCharm(ops.CharmBase):
    """Brings the snap to what the model says, at every event anew."""

    _stored = ops.StoredState()

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        # For `models`, which costs a process; and what `_check_inverters` has taken up last.
        self._stored.set_default(reads="", reads_since="", unit_inverters="")
        self._tracing = ops.tracing.Tracing(
            self, "charm-tracing", ca_relation_name="receive-ca-cert"
        )
        self._reconciled = False
        """Whether a handler of this event has done it."""
        self.troubles: list[ops.StatusBase] = []
        """What the steps of this event could not do."""
        self.owns_snap = False
        """Whether the snap of this machine does what this unit says."""
        self._last_words = ""
        """What the status of a unit that goes says; "" for one that stays."""
        for event in (
            self.on.install,
            self.on.start,
            self.on.config_changed,
            self.on.secret_changed,
            self.on.leader_elected,
            self.on.update_status,  # also by `health_timer`, after a change of the daemon's health
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
        self._actions = Actions(self)
        framework.observe(self.on.collect_unit_status, self._on_collect_status)

    def _on_any_event(self, _: ops.EventBase) -> None:
        self.reconcile()

    def _on_stop(self, _: ops.StopEvent) -> None:
        """Stop polling: from here on Juju may make another unit the leader."""
        self._last_words = "stopped; history and undelivered readings go with the unit"
        try:
            # The claim itself stays until `remove`.
            may_stop_it = ownership.claim(self._me(), polls=False)
        except ownership.OwnedByAnother:
            logger.info("the snap belongs to another application and is left alone")
        else:
            if may_stop_it:
                sungather_snap.ensure_stopped()
        # Its word of the stop would start the daemon again.
        health_timer.ensure_removed(self.unit.name)

    def _on_remove(self, _: ops.RemoveEvent) -> None:
        """Remove the snap with all that it keeps, whoever has installed it.

        An error makes Juju run the hook again, so the claim goes last.
        """
        self._last_words = "removed"
        health_timer.ensure_removed(self.unit.name)
        if ownership.is_last_owner(self._me()):
            sungather_snap.ensure_removed()
        ownership.release(self._me())

    def _on_collect_status(self, event: ops.CollectStatusEvent) -> None:
        """Report all that is wrong or worth saying (runs after each event)."""
        if self._last_words:
            event.add_status(ops.MaintenanceStatus(self._last_words))
            return
        if not self._reconciled:
            self.reconcile()  # No handler did, as for secret-remove.
        found = [ops.ActiveStatus(), *self.troubles]
        try:
            found += unit_status.observed(self)
        except troubles.KNOWN as error:
            found.append(self._status_of(error))
        for status in troubles.combined(found):
            event.add_status(status)

    def reconcile(self) -> None:
        """Make snap, relations and ports what the model says, whatever they were.

        Each step stands for itself: what one cannot do is kept for the status, and hides no other.
        They come in this order because the first ones say whose the snap is and what it is to do.
        """
        self._reconciled = True
        self.troubles.clear()
        for step in (
            self._check_inverters,
            self._claim_snap,
            self._announce_leader,
            self._ensure_snap,
            self._ensure_role,
            self._ensure_options,
            self._ensure_proxy,
            self._ensure_daemon,
            self._ensure_timer,
            self._ensure_relations,
            self._ensure_ports,
            self._compare_ways_to_inverter,
        ):
            try:
                step()
            except troubles.KNOWN as error:
                self.troubles.append(self._status_of(error))

    def _check_inverters(self) -> None:
        """Take up the map of inverters; while it cannot be used, the last one that could counts.

        So a slip of the pen makes no unit stop reading, or start.
        """
        unit_inverters.parse(self.settings.unit_inverters)  # raises before the map is kept
        self._stored.unit_inverters = self.settings.unit_inverters

    def _claim_snap(self) -> None:
        """Settle whose the snap is. A former leader stops before anything else can fail."""
        self.owns_snap = False  # `claim` raises for a snap that is another's
        own = bool(self.own_inverter)
        self.owns_snap = ownership.claim(self._me(), polls=self.polls, own_inverter=own)
        if self.owns_snap and not self.polls:
            sungather_snap.stop_unless_delivering()

    def _announce_leader(self) -> None:
        """Wake a former leader, whom Juju does not tell that it leads no more."""
        standby.announce(self, reads=self.owns_snap)

    def _ensure_snap(self) -> None:
        """Have the snap from the resource or the Store: the revision that all units have."""
        if not self.owns_snap:
            return
        installed = sungather_snap.get_revision()
        try:
            file = self._snap_file()
        except ops.ModelError as error:
            words = f"the resource sungather-snap cannot be fetched: {error}"
            self._tell(ops.WaitingStatus, words)
            return
        try:
            self._install_snap(file, installed)
        except snap_errors.NotInstallable as error:
            if not installed:
                raise
            words = f"the snap stays as it is, because it cannot be refreshed: {error}"
            self._tell(ops.BlockedStatus, words)
        if sungather_snap.is_installed():
            self.unit.set_workload_version(sungather_snap.get_version())

    def _install_snap(self, file: pathlib.Path | None, installed: str) -> None:
        """Install what is wanted, unless it is there.

        Args:
            file: the snap of the resource; None for the Store.
            installed: the revision that is there; "" for none.
        """
        channel = self.settings.snap_channel
        wanted = str(self.settings.snap_revision or snap_pins.noted(self, channel))
        # Until a revision is noted for this charm, in the peer relation, the leader takes what is
        # newest, and notes it; a standby takes any.
        newest = file is None and not wanted and snap_pins.can_be_noted(self)
        another = file is None and wanted not in ("", installed)
        if not installed or newest or another:
            self.unit.status = ops.MaintenanceStatus("installing the snap")
        if sungather_snap.ensure_installed(file, channel, revision=wanted, update=newest):
            logger.info("the snap %s was installed or refreshed", sungather_snap.NAME)
        if file is None and not self.settings.snap_revision:
            snap_pins.note(self, channel, sungather_snap.get_revision())

    def _ensure_role(self) -> None:
        """Let the daemon read, or only deliver, whatever is wrong with other options."""
        if self.owns_snap and sungather_snap.is_installed():
            sungather_snap.ensure_role(polls=self.polls)

    def _ensure_options(self) -> None:
        """Set the snap's options, but for those that hang on a secret which cannot be used."""
        if not self.owns_snap:
            return
        secrets = credentials.read(self.settings, self.app.name)
        for problem in secrets.problems:
            self._tell(ops.BlockedStatus, problem)
        extra = extra_options.parse(self.settings.extra_options)
        # The broker is asked for access also while there is no snap yet.
        topics = mqtt.wanted_permissions(config.snap_options(self.settings) | extra)
        mqtt.request(self, topics)
        broker = mqtt.broker(self, topics)
        if broker.problem:
            self._tell(ops.WaitingStatus, broker.problem)
        if broker.remark:
            self._tell(ops.ActiveStatus, broker.remark)
        if not sungather_snap.is_installed():
            return
        own = self.own_inverter
        if own:
            # A topic of the unit's own, within TOPIC/# that the broker is asked for.
            number = self.unit.name.partition("/")[2]
            own = own | {"mqtt.topic": f"{self.settings.mqtt_topic}/{number}"}
        changed = sungather_snap.ensure_options(
            desired_options.options(
                self.settings, secrets.contents, extra, broker.options, own, polls=self.polls
            )
        )
        if changed:
            logger.info("the snap's options were changed")

    def _ensure_proxy(self) -> None:
        """Give the daemon the model's proxy, for exports over the internet."""
        if self.owns_snap and sungather_snap.is_installed():
            sungather_snap.ensure_proxy(_proxy())

    def _ensure_daemon(self) -> None:
        """Let the daemon run: here it polls, or delivers what a unit that polled still owes."""
        if not (self.owns_snap and sungather_snap.is_installed()):
            return
        if not self.polls:
            # `_ensure_snap` may have refreshed the snap, whose hook starts the daemon.
            sungather_snap.stop_unless_delivering()
        if sungather_snap.has_inverter() and (self.polls or sungather_snap.delivers_only()):
            sungather_snap.ensure_running()

    def _ensure_timer(self) -> None:
        """Have news of the daemon's health within a minute."""
        if self.owns_snap and sungather_snap.is_installed():
            health_timer.ensure(self.unit.name)

    def _ensure_relations(self) -> None:
        """Tell the others what there is, in whatever state this unit is."""
        ports = self.ports()
        cos_agent.publish(self, ports.page if self._serves else None)
        # The leader speaks for all units, so it names the port even if it serves nothing itself.
        metrics_endpoint.publish(self, ports.page, serves=self._serves)
        grafana_dashboard.publish(self)
        # The port also while the page is off: half a databag stops haproxy for everybody.
        ingress.publish(self, ports.web)

    def _ensure_ports(self) -> None:
        """Open what this unit serves, for `juju expose`."""
        ports = self.ports()
        served = {*([ports.page] if ports.page else []), *ports.modbus}
        self.unit.set_ports(*(served if self._serves else ()))

    def _compare_ways_to_inverter(self) -> None:
        """Find out whether a standby reaches what the leader does not."""
        if not (self.owns_snap and sungather_snap.is_installed()):
            return
        if self.unit.is_leader():
            # Nobody can take over an inverter that is this unit's own.
            state = None if self.own_inverter else sungather_snap.get_state()
            standby.ask(self, daemon_status.in_trouble(state) if state else "")
        elif not self.own_inverter and (leaders_trouble := standby.unanswered(self)):
            try:
                answer = snap_apps.run("test-connection")
            except snap_apps.AppFailed as error:
                # It is tried again at the next event.
                logger.warning("whether this unit reaches the inverter is not known: %s", error)
            else:
                reaches = all(one["success"] for one in answer["inverters"])
                standby.answer(self, leaders_trouble, reaches=reaches)

    def models(self, state: snapd_state.State) -> str:
        """What is read, asked once after each change of health: it costs a process."""
        since = str(state.since or "")
        if state.health != "okay":
            return ""
        if not self._stored.reads or self._stored.reads_since != since:
            try:
                answer = snap_apps.run("readings", within=30)
            except snap_apps.AppFailed:
                return ""
            self._stored.reads = action_results.models(answer)
            self._stored.reads_since = since
        return str(self._stored.reads)

    def _tell(self, kind: Callable[[str], ops.StatusBase], message: str) -> None:
        """Keep a trouble of a step that goes on nevertheless."""
        self.troubles.append(kind(" ".join(message.split())))

    def _status_of(self, error: Exception) -> ops.StatusBase:
        return troubles.status(error, self.app.name, self.unit.name)

    def ports(self) -> snap_ports.Ports:
        """Where the snap serves; before it has options, where the config wants it to."""
        taken: Mapping[str, str] = {}
        if self.owns_snap:
            with contextlib.suppress(snap_errors.SnapError):
                taken = sungather_snap.get_options()
        return snap_ports.read(taken or config.snap_options(self.settings))

    def _me(self) -> ownership.Unit:
        return ownership.Unit(self.model.uuid, self.unit.name, self.charm_dir)

    @functools.cached_property
    def settings(self) -> config.Config:
        """The config; it names the MQTT topic also where the operator does not.

        It has the types of charmcraft.yaml, so it can be read; the snap judges the values.
        """
        found = self.load_config(config.Config, errors="blocked")
        if found.mqtt_topic:
            return found
        # Applications on one broker must not overwrite each other's retained messages.
        topic = f"sungather/{self.model.name}/{self.app.name}"
        return found.model_copy(update={"mqtt_topic": topic})

    @property
    def polls(self) -> bool:
        """Whether this unit reads an inverter: as the leader, or one of its own."""
        return self.unit.is_leader() or bool(self.own_inverter)

    @property
    def _serves(self) -> bool:
        """Whether page, metrics and Modbus server of this machine are this unit's."""
        return self.owns_snap and self.polls

    @property
    def names_inverter(self) -> bool:
        """Whether the config says where it is; `sungather_snap` knows what is in force."""
        return bool(self.settings.inverter_host or self.own_inverter)

    @property
    def names_inverter_of_all(self) -> bool:
        """Whether there is an inverter that a leader reads which has none of its own."""
        extra = extra_options.parse(self.settings.extra_options)
        return bool(self.settings.inverter_host) or any(map(desired_options.is_further, extra))

    @property
    def own_inverter(self) -> dict[str, str]:
        """The options of the inverter that this unit alone reads; empty without one."""
        given = unit_inverters.parse(str(self._stored.unit_inverters))  # see _check_inverters
        machine = os.environ.get("JUJU_MACHINE_ID", "")
        return given.get(self.unit.name) or given.get(machine) or {}

    def _snap_file(self) -> pathlib.Path | None:
        """The snap as a file; None if it is to come from the Store.

        Raises:
            ops.ModelError: Juju cannot say which.
        """
        try:
            file = self.model.resources.fetch("sungather-snap")
        except ops.ModelError as error:
            # Juju's words: a charm that was deployed from a file without the resource has none.
            # But a snap that came as a file is not given up for the Store's because of them.
            if "not found" in str(error) and not sungather_snap.is_from_file():
                return None
            raise
        return file if file.stat().st_size else None  # an empty one stands for the Store


def _proxy() -> Mapping[str, str]:
    """The model's proxy settings, as Juju gives them to hooks."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    return {n: value for n in names if (value := os.environ.get(f"JUJU_CHARM_{n}"))}


if __name__ == "__main__":  # pragma: no cover
    ops.main(SungatherCharm)
