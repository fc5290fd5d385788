"""Everything that the model says, put together as options of the snap; pure."""

from collections.abc import Mapping

import config

OWN_INVERTER = "inverter"
"""Name of the inverter of `inverter-host` beside further ones of `extra-options`."""


def options(
    settings: config.Config,
    secrets: Mapping[str, Mapping[str, str]],
    extra: Mapping[str, str],
    broker: Mapping[str, str],
    *,
    polls: bool,
) -> dict[str, str]:
    """Every option that the charm governs; an empty text stands for "not set".

    Args:
        settings: the charm's config.
        secrets: the content of each secret field that is set.
        extra: the options of `extra-options`.
        broker: options that follow from the relation mqtt; they win.
        polls: whether this unit reads the inverters. A standby knows none.
    """
    found = config.snap_options(settings)
    for field, row in config.SECRETS.items():
        content = secrets.get(field, {})
        found |= {key: content.get(part, "") for part, key in row.keys.items()}
    found |= {**extra, **broker}
    if not polls:
        found = {k: v for k, v in found.items() if not k.startswith("inverters.")}
        return found | {"inverter.host": ""}
    further = {key.split(".")[1] for key in extra if key.startswith("inverters.")}
    if not further - {OWN_INVERTER}:
        return found
    credentials = config.SECRETS["inverter_credentials"].keys
    content = secrets.get("inverter_credentials", {})
    for name in further:
        for part, key in credentials.items():
            if f"{name}-{part}" in content:
                found[f"inverters.{name}.{key.removeprefix('inverter.')}"] = content[
                    f"{name}-{part}"
                ]
    return {_beside_others(key): text for key, text in found.items()}


def _beside_others(key: str) -> str:
    """The snap takes one `inverter.…` or several `inverters.NAME.…`, not both."""
    start, _, rest = key.partition(".")
    return f"inverters.{OWN_INVERTER}.{rest}" if start == "inverter" else key
