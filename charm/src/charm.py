#!/usr/bin/env python3
"""The machine charm of SunGather: Juju's side; the snap's side is sungather_snap.py."""

import contextlib
import logging
import os
import pathlib
from collections.abc import Callable, Mapping

import ops
from charmlibs import snap

import action_results
import claims
import config
import cos_agent
import credentials
import daemon_status
import extra_options
import grafana_dashboard
import ingress
import metrics_endpoint
import mqtt
import snap_apps
import snapd_state
import standby
import sungather_snap
import wanted

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
        self._statuses: list[ops.StatusBase] = []
        """What stands in the way, or is worth saying, found by this event."""
        relations = (*NEED_PAGE, grafana_dashboard.ENDPOINT, mqtt.ENDPOINT, standby.ENDPOINT)
        for event in (
            self.on.install,
            self.on.start,
            self.on.upgrade_charm,
            self.on.config_changed,
            self.on.secret_changed,
            self.on.leader_elected,
            self.on.update_status,
            *(self.on[name].relation_created for name in relations),
            *(self.on[name].relation_joined for name in relations),
            *(self.on[name].relation_changed for name in relations),
            *(self.on[name].relation_departed for name in relations),
            *(self.on[name].relation_broken for name in relations),
        ):
            framework.observe(event, self._on_any_event)
        framework.observe(self.on.stop, self._on_stop)
        framework.observe(self.on.remove, self._on_remove)
        framework.observe(self.on.run_once_action, self._on_run_once_action)
        framework.observe(self.on.get_inverter_info_action, self._on_get_inverter_info_action)
        framework.observe(self.on.test_connection_action, self._on_test_connection_action)
        framework.observe(self.on.get_readings_action, self._on_get_readings_action)
        framework.observe(self.on.discover_action, self._on_discover_action)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    def _on_any_event(self, event: ops.EventBase):
        self._reconcile(update=isinstance(event, ops.UpgradeCharmEvent))

    def _on_stop(self, _: ops.StopEvent):
        # From here on another unit may be told to poll.
        with contextlib.suppress(claims.OwnedByAnother):
            if claims.claim(self._me(), polls=False):
                sungather_snap.ensure_stopped()
        self._statuses = [ops.MaintenanceStatus("stopped")]

    def _on_remove(self, _: ops.RemoveEvent):
        if claims.release(self._me()):
            sungather_snap.ensure_removed()
        self._statuses = [ops.MaintenanceStatus("removed")]

    def _on_run_once_action(self, event: ops.ActionEvent):
        self._ask_inverters(event, "run-once", action_results.summary)

    def _on_get_inverter_info_action(self, event: ops.ActionEvent):
        self._ask_inverters(event, "get-inverter-info", action_results.by_inverter)

    def _on_test_connection_action(self, event: ops.ActionEvent):
        self._ask_inverters(event, "test-connection", action_results.by_inverter)

    def _on_get_readings_action(self, event: ops.ActionEvent):
        self._ask_inverters(event, "readings", action_results.newest_readings)

    def _on_discover_action(self, event: ops.ActionEvent):
        self._reconcile()
        network = event.params.get("network", "")
        arguments = ["--network", network] if network else []
        try:
            answer = snap_apps.run("discover", *arguments, within=DISCOVERY_SECONDS)
        except snap_apps.AppFailed as error:
            event.fail(str(error))
            return
        event.set_results(action_results.discovered(answer))
        if not answer["found"]:
            event.fail(f"no Sungrow device answers in {' '.join(answer['networks'])}")

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent):
        remarks: list[str] = []
        for status in self._statuses:
            if isinstance(status, ops.ActiveStatus):
                remarks.append(status.message)
            else:
                event.add_status(status)
        event.add_status(ops.ActiveStatus("; ".join(filter(None, remarks))))

    def _ask_inverters(
        self,
        event: ops.ActionEvent,
        app: str,
        results: Callable[[action_results.Answer], dict[str, object]],
    ):
        self._reconcile()
        if not self.unit.is_leader():
            action = event.handle.kind.removesuffix("_action").replace("_", "-")
            event.fail(f"a standby reads no inverter: juju run {self.app.name}/leader {action}")
            return
        blocked = [one.message for one in self._statuses if isinstance(one, ops.BlockedStatus)]
        if blocked:
            event.fail(" ".join(blocked))
            return
        try:
            answer = snap_apps.run(app)
        except snap_apps.AppFailed as error:
            event.fail(str(error))
            return
        event.set_results(results(answer))
        if sentence := action_results.failure(answer):
            event.fail(sentence)

    def _reconcile(self, *, update: bool = False):
        """Make the snap what the model says, whatever it was; note what is worth telling."""
        settings = self.load_config(config.Config, errors="blocked")
        standby.announce(self)
        try:
            if not claims.claim(self._me(), polls=self.unit.is_leader()):
                # A unit beside this one, on the same machine, polls with the same snap.
                self._tell_standby()
                return
            self._ensure_snap(settings, update=update)
            self._ensure_options(settings)
            self._tell_others(settings)
            self._tell_how_it_is(settings)
        except claims.OwnedByAnother as error:
            self._blocked(
                f"the sungather snap of this machine belongs to {error.application}: put further "
                f"inverters into its extra-options, or deploy {self.app.name} to another machine"
            )
        except (extra_options.WrongExtraOptions, credentials.UnusableSecrets) as error:
            self._blocked(str(error))
        except sungather_snap.OptionsRefused as error:
            remedy = credentials.remedy(str(error), self.app.name)
            self._blocked(f"{error} {remedy}")
        except sungather_snap.NotInstallable as error:
            self._trouble(
                f"the snap cannot be installed: {error} (without internet: juju attach-resource "
                f"{self.app.name} sungather-snap=FILE)"
            )
        except snap.SocketNotFoundError:
            self._blocked(
                f"snapd is missing: juju exec --unit {self.unit.name} -- apt-get install -y snapd"
            )
        except (snap.ConnectionError, snap.TimeoutError, snapd_state.SnapdSilent) as error:
            self._statuses.append(ops.WaitingStatus(f"snapd does not answer: {error}"))
        except snap.Error as error:
            self._trouble(f"snapd: {error.message}")

    def _ensure_snap(self, settings: config.Config, *, update: bool):
        try:
            if sungather_snap.ensure_installed(
                self._snap_file(), settings.snap_channel, update=update
            ):
                logger.info("the snap %s is installed anew", sungather_snap.NAME)
        except sungather_snap.NotInstallable as error:
            if not sungather_snap.is_installed():
                raise
            self._trouble(f"the snap stays as it is, for it cannot be refreshed: {error}")
        self.unit.set_workload_version(sungather_snap.get_version())

    def _ensure_options(self, settings: config.Config):
        extra = extra_options.parse(settings.extra_options)
        secrets = credentials.read(settings, self.app.name)
        topics = mqtt.wanted_permissions(config.snap_options(settings) | extra)
        mqtt.request(self, topics)
        broker = mqtt.broker(self, topics)
        options = wanted.options(
            settings, secrets, extra, broker.options, polls=self.unit.is_leader()
        )
        changed = sungather_snap.ensure_proxy(_proxy())
        if sungather_snap.ensure_options(options) or changed:
            logger.info("the snap's options are set")
        if broker.problem:
            self._statuses.append(ops.WaitingStatus(broker.problem))
        if broker.remark:
            self._statuses.append(ops.ActiveStatus(broker.remark))

    def _tell_others(self, settings: config.Config):
        """Ports and relations follow what the snap has."""
        polls = self.unit.is_leader()
        page = settings.webserver_port if settings.enable_webserver else None
        self.unit.set_ports(*([page] if page and polls else []))
        cos_agent.publish(self, page if polls else None)
        metrics_endpoint.publish(self, page, polls=polls)
        grafana_dashboard.publish(self)
        ingress.publish(self, page)

    def _tell_how_it_is(self, settings: config.Config):
        if not settings.enable_webserver:
            for endpoint in NEED_PAGE:
                if self.model.relations[endpoint]:
                    self._blocked(
                        f"the relation {endpoint} needs the page: "
                        f"juju config {self.app.name} enable-webserver=true"
                    )
        if refusal := grafana_dashboard.problem(self):
            self._statuses.append(ops.ActiveStatus(refusal))
        if not self.unit.is_leader():
            self._tell_standby()
        elif not settings.inverter_host:
            self._blocked(
                f"say where the inverter is: juju config {self.app.name} inverter-host=ADDRESS"
            )
        else:
            state = sungather_snap.ensure_running()
            self._statuses.append(daemon_status.status(state, self.unit.name))
            if url := ingress.url(self):
                self._statuses.append(ops.ActiveStatus(f"page at {url}"))

    def _tell_standby(self):
        who = standby.polling_unit(self) or "the leader"
        self._statuses.append(ops.ActiveStatus(f"standby: {who} reads the inverter"))

    def _trouble(self, message: str):
        """What snapd says. A change that is under way passes: the next event tries again."""
        if sungather_snap.is_busy(message):
            self._statuses.append(ops.WaitingStatus(" ".join(message.split())))
        else:
            self._blocked(message)

    def _blocked(self, message: str):
        self._statuses.append(ops.BlockedStatus(" ".join(message.split())))

    def _me(self) -> claims.Unit:
        return claims.Unit(self.model.uuid, self.unit.name, self.charm_dir)

    def _snap_file(self) -> pathlib.Path | None:
        """The snap as a file; None if it is to come from the Store."""
        try:
            file = self.model.resources.fetch("sungather-snap")
        except ops.ModelError:
            return None
        return file if file.stat().st_size else None


def _proxy() -> Mapping[str, str]:
    """The model's proxy settings, as Juju gives them to hooks."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    return {n: value for n in names if (value := os.environ.get(f"JUJU_CHARM_{n}"))}


if __name__ == "__main__":  # pragma: no cover
    ops.main(SungatherCharm)
