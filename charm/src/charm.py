#!/usr/bin/env python3
"""The machine charm of SunGather: Juju's side; the snap's side is sungather_snap.py."""

import json
import logging
import pathlib
from collections.abc import Mapping
from typing import Any, cast

import ops
from charmlibs import snap

import sungather_snap
from config import SECRETS, Config, snap_options

logger = logging.getLogger(__name__)


class SungatherCharm(ops.CharmBase):
    """Brings the snap to what the model says, at every event anew."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self._status: ops.StatusBase = ops.ActiveStatus()
        for event in (
            self.on.install,
            self.on.start,
            self.on.upgrade_charm,
            self.on.config_changed,
            self.on.secret_changed,
            self.on.update_status,
        ):
            framework.observe(event, self._on_any_event)
        framework.observe(self.on.remove, self._on_remove)
        framework.observe(self.on.test_connection_action, self._on_test_connection_action)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    def _on_any_event(self, _: ops.EventBase):
        self._reconcile()

    def _on_remove(self, _: ops.RemoveEvent):
        sungather_snap.ensure_removed()
        self._status = ops.MaintenanceStatus("the snap is removed")

    def _on_test_connection_action(self, event: ops.ActionEvent):
        self._reconcile()
        if isinstance(self._status, ops.BlockedStatus):
            event.fail(self._status.message)
            return
        try:
            inverters = sungather_snap.test_connection()
        except sungather_snap.AppFailed as error:
            event.fail(str(error))
            return
        event.set_results({one["name"]: _action_results(one) for one in inverters})
        failures = [one["error"]["message"] for one in inverters if not one["success"]]
        if failures:
            event.fail(" ".join(failures))

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent):
        event.add_status(self._status)

    def _reconcile(self):
        """Make the snap what the model says, whatever it was; remember what stands in the way."""
        try:
            self._bring_up_snap(self.load_config(Config))
        except (_Blocked, sungather_snap.SnapError) as error:
            self._status = ops.BlockedStatus(" ".join(str(error).split()))
        except snap.Error as error:
            self._status = ops.BlockedStatus(f"snapd: {error.message}")

    def _bring_up_snap(self, config: Config):
        if sungather_snap.ensure_installed(self._snap_file()):
            logger.info("the snap %s is installed", sungather_snap.NAME)
        self.unit.set_workload_version(sungather_snap.get_version())
        if sungather_snap.ensure_options(snap_options(config, self._secrets(config))):
            logger.info("the snap's options are set")
        if not config.inverter_host:
            raise _Blocked(
                f"say where the inverter is: juju config {self.app.name} inverter-host=ADDRESS"
            )
        if sungather_snap.ensure_running():
            logger.warning("the daemon was stopped and is started again")

    def _snap_file(self) -> pathlib.Path | None:
        """The snap as a file; None if it is to come from the Store."""
        try:
            file = self.model.resources.fetch("sungather-snap")
        except ops.ModelError:
            return None
        return file if file.stat().st_size else None

    def _secrets(self, config: Config) -> dict[str, Mapping[str, str]]:
        """The content of each secret that the config names."""
        found: dict[str, Mapping[str, str]] = {}
        for field, keys in SECRETS.items():
            secret = getattr(config, field)
            if secret is None:
                continue
            option = field.replace("_", "-")
            try:
                content = secret.get_content(refresh=True)
            except (ops.SecretNotFoundError, ops.ModelError):
                raise _Blocked(
                    f"the secret of {option} cannot be read: "
                    f"juju grant-secret NAME {self.app.name}"
                ) from None
            missing = [key for key in keys if not content.get(key)]
            if missing:
                values = " ".join(f"{key}=…" for key in keys)
                raise _Blocked(
                    f"the secret of {option} has no {' and no '.join(missing)}: "
                    f"juju update-secret NAME {values}"
                )
            found[field] = content
        return found


class _Blocked(Exception):
    """A person must act; the message says how."""


def _action_results(answer: Mapping[str, Any]) -> dict[str, Any]:
    """An app's answer in the form that action results take: dashed keys, lists as JSON."""
    results: dict[str, Any] = {}
    for key, value in answer.items():
        if isinstance(value, dict):
            inner = cast("dict[str, Any]", value)
            results[key.replace("_", "-")] = _action_results(inner)
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            results[key.replace("_", "-")] = text
    return results


if __name__ == "__main__":  # pragma: no cover
    ops.main(SungatherCharm)
