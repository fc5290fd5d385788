"""What only the snap refuses: options that would fail later, in the confined daemon.

Pure, but for reading the files that options name.
"""

import ssl
from collections.abc import Iterator
from pathlib import Path

from sungather.errors import Blocked
from sungather.options.configuration import Configuration
from sungather.privileges import STATE

_UNPRIVILEGED_PORTS = 1024


def problems(configuration: Configuration, common: Path) -> list[str]:
    """A sentence for each option that cannot work in the snap.

    Args:
        configuration: checked options.
        common: $SNAP_COMMON, where the daemon's own directories are.
    """
    return [
        *_port(configuration),
        *_directory(configuration, common),
        *_certificates_of_inverters(configuration),
        *_certificates_of_exporters(configuration, common),
    ]


def _port(configuration: Configuration) -> Iterator[str]:
    port = configuration.web.port
    if configuration.web.enabled and port < _UNPRIVILEGED_PORTS:
        yield (
            f"web.port must be a port number from {_UNPRIVILEGED_PORTS} on, not {port}: the "
            "snap's daemon does not run as root."
        )


def _directory(configuration: Configuration, common: Path) -> Iterator[str]:
    text = configuration.storage.directory
    state = common / STATE
    if text and not Path(text).resolve().is_relative_to(state.resolve()):
        yield (
            f"storage.directory must be {state} or lie below it, because the snap's daemon can "
            "write nowhere else: leave it out."
        )


def _certificates_of_inverters(configuration: Configuration) -> Iterator[str]:
    for key, value in configuration.values.items():
        if key.endswith(".tls.ca") and key.startswith("inverter") and isinstance(value, str):
            try:
                if value:
                    ssl.create_default_context(cadata=value)
            except (ssl.SSLError, ValueError):
                yield f"{key} must be a certificate in PEM form, whole, with all its lines."


def _certificates_of_exporters(configuration: Configuration, common: Path) -> Iterator[str]:
    mqtt = configuration.mqtt
    given = {
        "mqtt": (mqtt.tls_ca, mqtt.tls_cert, mqtt.tls_key),
        "influxdb": (configuration.influxdb.tls_ca,),
    }
    for group, texts in given.items():
        if not any(texts):
            continue
        # Only imported for those who have certificates.
        from sungather.exporters.tls import client_context

        try:
            client_context(group, *texts, insecure=False)
        except Blocked as error:
            yield (
                f"{error} Give PEM text, or the path of a file that you have copied to {common}/."
            )
