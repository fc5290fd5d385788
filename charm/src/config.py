"""The charm's config options, typed, and what they mean as options of the snap.

Values are not checked here: the snap's configure hook refuses what it cannot use, with a text of
its own that the unit's status shows.
"""

from collections.abc import Mapping

import ops
import pydantic


class Config(pydantic.BaseModel):
    """The options of charmcraft.yaml, read by `load_config`."""

    model_config = pydantic.ConfigDict(frozen=True, arbitrary_types_allowed=True)

    inverter_host: str = ""
    inverter_port: int = 502
    inverter_credentials: ops.Secret | None = None
    log_level: str = "INFO"


OPTIONS: Mapping[str, str] = {
    "inverter_host": "inverter.host",
    "inverter_port": "inverter.port",
    "log_level": "log.level",
}
"""Field of `Config` -> option of the snap."""

SECRETS: Mapping[str, Mapping[str, str]] = {
    "inverter_credentials": {
        "username": "inverter.username",
        "password": "inverter.password",
    },
}
"""Secret field of `Config` -> key of the secret -> option of the snap."""


def snap_options(config: Config, secrets: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Every option that the charm governs; an empty text stands for "not set".

    Args:
        config: the charm's config.
        secrets: the content of each secret field that is set.
    """
    wanted = {key: str(getattr(config, field)) for field, key in OPTIONS.items()}
    for field, keys in SECRETS.items():
        content = secrets.get(field, {})
        wanted |= {key: content.get(part, "") for part, key in keys.items()}
    return wanted
