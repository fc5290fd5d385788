"""The charm's config options, typed, and what they mean as options of the snap.

Values are not checked here: the snap's configure hook refuses what it cannot use, with a text of
its own that the unit's status shows.
"""

from collections.abc import Mapping
from typing import Final

import ops
import pydantic


class Config(pydantic.BaseModel):
    """The options of charmcraft.yaml, read by `load_config`."""

    model_config = pydantic.ConfigDict(frozen=True, arbitrary_types_allowed=True)

    inverter_host: str = ""
    unit_inverters: str = ""
    inverter_port: int = 0
    connection_type: str = "modbus"
    inverter_model: str = "auto"
    scan_interval: int = 30
    smart_meter: str = "auto"
    level: int = 1
    enable_webserver: bool = True
    webserver_port: int = 8080
    enable_modbus_server: bool = False
    modbus_server_port: int = 5502
    enable_mqtt: bool = False
    mqtt_host: str = ""
    mqtt_port: int = 1883
    mqtt_topic: str = ""
    mqtt_homeassistant: bool = False
    enable_influxdb: bool = False
    influxdb_url: str = ""
    influxdb_org: str = ""
    influxdb_bucket: str = ""
    influxdb_version: str = "auto"
    pvoutput_enabled: bool = False
    enable_notify: bool = False
    log_level: str = "INFO"
    timezone: str = ""
    site_latitude: str = ""
    site_longitude: str = ""
    site_meter: str = "auto"
    tariff_currency: str = ""
    tariff_import: str = ""
    tariff_export: str = "0"
    tariff_import_topic: str = ""
    tariff_standing: str = "0"
    tariff_paid: str = ""
    snap_channel: str = "latest/stable"
    snap_revision: int = 0
    extra_options: str = ""
    inverter_credentials: ops.Secret | None = None
    mqtt_credentials: ops.Secret | None = None
    influxdb_credentials: ops.Secret | None = None
    pvoutput_credentials: ops.Secret | None = None
    notify_credentials: ops.Secret | None = None


OPTIONS: Final[Mapping[str, str]] = {
    "inverter_host": "inverter.host",
    "inverter_port": "inverter.port",
    "connection_type": "inverter.connection",
    "inverter_model": "inverter.model",
    "scan_interval": "inverter.scan-interval",
    "smart_meter": "inverter.smart-meter",
    "level": "inverter.level",
    "enable_webserver": "web.enabled",
    "webserver_port": "web.port",
    "enable_modbus_server": "modbus-server.enabled",
    "modbus_server_port": "modbus-server.port",
    "enable_mqtt": "mqtt.enabled",
    "mqtt_host": "mqtt.host",
    "mqtt_port": "mqtt.port",
    "mqtt_topic": "mqtt.topic",
    "mqtt_homeassistant": "mqtt.homeassistant",
    "enable_influxdb": "influxdb.enabled",
    "influxdb_url": "influxdb.url",
    "influxdb_org": "influxdb.org",
    "influxdb_bucket": "influxdb.bucket",
    "influxdb_version": "influxdb.version",
    "pvoutput_enabled": "pvoutput.enabled",
    "enable_notify": "notify.enabled",
    "log_level": "log.level",
    "timezone": "site.timezone",
    "site_latitude": "site.latitude",
    "site_longitude": "site.longitude",
    "site_meter": "site.meter",
    "tariff_currency": "tariff.currency",
    "tariff_import": "tariff.import",
    "tariff_export": "tariff.export",
    "tariff_import_topic": "tariff.import-topic",
    "tariff_standing": "tariff.standing",
    "tariff_paid": "tariff.paid",
}
"""Field of `Config` -> option of the snap."""

OF_THE_CHARM: Final = frozenset(
    {"snap_channel", "snap_revision", "extra_options", "unit_inverters"}
)
"""Fields of `Config` that are no option of the snap."""

OWN: Final = frozenset({"outbox.deliver-only"})
"""Options of the snap that follow from who polls; nobody else may set them."""


class SecretRow(pydantic.BaseModel):
    """What a secret of the user may hold."""

    model_config = pydantic.ConfigDict(frozen=True)

    keys: Mapping[str, str]
    """Key of the secret -> option of the snap."""
    needed: tuple[tuple[str, ...], ...]
    """Sets of keys, one of which must be there whole; the first is the usual one."""
    switch: str = ""
    """Option of the snap that is not switched on while the secret cannot be used; "" for none."""


SECRETS: Final[Mapping[str, SecretRow]] = {
    "inverter_credentials": SecretRow(
        keys={"username": "inverter.username", "password": "inverter.password"},
        needed=(("username", "password"),),
    ),
    "mqtt_credentials": SecretRow(
        keys={
            "username": "mqtt.username",
            "password": "mqtt.password",
            "tls-key": "mqtt.tls.key",
        },
        needed=(("username", "password"),),
        switch="mqtt.enabled",
    ),
    "influxdb_credentials": SecretRow(
        keys={
            "token": "influxdb.token",
            "username": "influxdb.username",
            "password": "influxdb.password",
        },
        needed=(("token",), ("username", "password")),
        switch="influxdb.enabled",
    ),
    "pvoutput_credentials": SecretRow(
        keys={"api-key": "pvoutput.api-key", "system-id": "pvoutput.system-id"},
        needed=(("api-key", "system-id"),),
        switch="pvoutput.enabled",
    ),
    "notify_credentials": SecretRow(
        keys={"url": "notify.url", "token": "notify.token"},
        needed=(("url",),),
        switch="notify.enabled",
    ),
}
"""Secret field of `Config` -> what it holds."""

GOVERNED: Final[Mapping[str, str]] = {
    **{key: field for field, key in OPTIONS.items()},
    **{key: field for field, row in SECRETS.items() for key in row.keys.values()},
}
"""Option of the snap -> the field of `Config` that alone decides it."""


def juju_name(field: str) -> str:
    """The option of charmcraft.yaml that a field of `Config` stands for."""
    return field.replace("_", "-")


def snap_options(config: Config) -> dict[str, str]:
    """The options that the config alone decides; an empty text stands for "not set"."""
    wanted = {key: _text(getattr(config, field)) for field, key in OPTIONS.items()}
    meter = config.smart_meter
    wanted["inverter.smart-meter"] = {"yes": "true", "no": "false"}.get(meter, meter)
    # Juju has no number that is absent: 0 stands for it.
    wanted["inverter.port"] = _text(config.inverter_port or None)
    return wanted


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
