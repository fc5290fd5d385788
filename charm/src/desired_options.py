"""Everything that the model says, put together as options of the snap; pure."""

from collections.abc import Mapping

import config

OWN_INVERTER = "inverter"
"""Name of the inverter of `inverter-host` beside further ones of `extra-options`."""


def options(
    settings: config.Config,
    secrets: Mapping[str, Mapping[str, str] | None],
    extra: Mapping[str, str],
    broker: Mapping[str, str | None],
    own: Mapping[str, str],
    *,
    polls: bool,
) -> dict[str, str | None]:
    """Every option that the charm governs.

    The text is what the snap is to have; an empty one stands for "not set", and None for "leave
    it as it is".

    Args:
        settings: the charm's config.
        secrets: the content of each secret field that is set; None for one that cannot be used.
        extra: the options of `extra-options`.
        broker: options that follow from the relation mqtt; they win.
        own: the options of the inverter that this unit alone reads; empty without one.
        polls: whether this unit reads the inverters. A standby delivers what it owes.
    """
    found: dict[str, str | None] = {**config.snap_options(settings)}
    for field, row in config.SECRETS.items():
        content = secrets.get(field, {})
        found |= {key: _part(content, part) for part, key in row.keys.items()}
        if content is None and found.get(row.switch) == "true":
            # What is on goes on with what it had, and nothing starts without its credentials.
            found[row.switch] = None
    if own:
        # The inverters that all units could read are the leader's.
        extra = {key: text for key, text in extra.items() if not is_further(key)}
    found |= {**extra, **broker, **own}
    found["outbox.deliver-only"] = "false" if polls else "true"
    further = {key.split(".")[1] for key in extra if is_further(key)}
    if not further - {OWN_INVERTER}:
        return found
    content = secrets.get("inverter_credentials", {})
    for name in further:
        for part, key in config.SECRETS["inverter_credentials"].keys.items():
            text = _part(content, f"{name}-{part}")
            if text != "":
                found[f"inverters.{name}.{key.removeprefix('inverter.')}"] = text
    return {_beside_others(key): text for key, text in found.items()}


def is_further(key: str) -> bool:
    """Whether an option of the snap is about an inverter beside that of `inverter-host`."""
    return key.startswith("inverters.")


def _part(content: Mapping[str, str] | None, part: str) -> str | None:
    """A key of a secret; None if the secret cannot be used."""
    return None if content is None else content.get(part, "")


def _beside_others(key: str) -> str:
    """The snap takes one `inverter.…` or several `inverters.NAME.…`, not both."""
    start, _, rest = key.partition(".")
    return f"inverters.{OWN_INVERTER}.{rest}" if start == "inverter" else key
