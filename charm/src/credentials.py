"""The user's secrets that the config names, read; each trouble with the command that ends it."""

from collections.abc import Mapping

import ops

import config


class UnusableSecrets(Exception):
    """A person must act; the message says how, and shows no content."""


def read(settings: config.Config, app: str) -> dict[str, Mapping[str, str]]:
    """The content of each secret field that is set.

    Args:
        settings: the charm's config.
        app: the application's name, for the commands.

    Raises:
        UnusableSecrets: with every problem.
    """
    found: dict[str, Mapping[str, str]] = {}
    problems: list[str] = []
    for field, row in config.SECRETS.items():
        secret: ops.Secret | None = getattr(settings, field)
        if secret is None:
            continue
        option = config.juju_name(field)
        usual = " ".join(f"{key}=…" for key in row.needed[0])
        try:
            content = secret.get_content(refresh=True)
        except ops.SecretNotFoundError:
            name = option.removesuffix("-credentials")
            problems.append(
                f"the secret of {option} does not exist: juju add-secret {name} {usual}; "
                f"juju grant-secret {name} {app}; juju config {app} {option}=secret:ID"
            )
            continue
        except ops.ModelError:
            problems.append(
                f"the secret of {option} is not granted: juju grant-secret {secret.id} {app}"
            )
            continue
        missing = [[key for key in keys if not content.get(key)] for keys in row.needed]
        if all(missing):
            lacks = " or ".join(" and ".join(keys) for keys in missing)
            problems.append(
                f"the secret of {option} has no {lacks}: juju update-secret {secret.id} {usual}"
            )
            continue
        found[field] = content
    if problems:
        raise UnusableSecrets(" ".join(f"{problem}." for problem in problems))
    return found


def remedy(keys_text: str, app: str) -> str:
    """The command that sets what a sentence about options of the snap is about; "" if none does.

    Args:
        keys_text: a sentence of the snap's configure hook.
        app: the application's name.
    """
    for word in keys_text.split():
        key = word.strip(".,:;'\"()")
        key = key.replace("inverters.inverter.", "inverter.")
        field = config.GOVERNED.get(key)
        if field is None:
            continue
        option = config.juju_name(field)
        if field in config.SECRETS:
            usual = " ".join(f"{part}=…" for part in config.SECRETS[field].needed[0])
            name = option.removesuffix("-credentials")
            return (
                f"juju add-secret {name} {usual}; juju grant-secret {name} {app}; "
                f"juju config {app} {option}=secret:ID"
            )
        return f"juju config {app} {option}=VALUE"
    return ""
