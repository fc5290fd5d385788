"""The user's secrets that the config names, read; each trouble with the command that ends it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import ops

import config

_GROUPS = {key.partition(".")[0] for key in config.GOVERNED} | {"inverters", "outbox", "storage"}
_OPTION = re.compile(rf"(?:{'|'.join(sorted(_GROUPS))})\.[a-z0-9.-]+$")
"""An option of the snap; one that has no option of the charm's came through `extra-options`."""


@dataclass(frozen=True)
class Secrets:
    """What the secrets hold, as far as they can be used."""

    contents: Mapping[str, Mapping[str, str] | None]
    """The content of each secret field that is set; None for one that cannot be used."""
    problems: tuple[str, ...]
    """A sentence for each of those: what is wrong and which command repairs it, no content."""


def read(settings: config.Config, app: str) -> Secrets:
    """Read every secret that the config names.

    Args:
        settings: the charm's config.
        app: the application's name, for the commands.
    """
    contents: dict[str, Mapping[str, str] | None] = {}
    problems: list[str] = []
    for field in config.SECRETS:
        secret: ops.Secret | None = getattr(settings, field)
        if secret is None:
            continue
        contents[field] = None
        try:
            content = secret.get_content(refresh=True)
        except ops.SecretNotFoundError:
            problem = f"does not exist: {_make_one(field, app)}"
        except ops.ModelError as error:
            refused = "permission denied" in str(error)
            grant = f"is not granted: juju grant-secret {secret.id} {app}"
            problem = grant if refused else f"cannot be read at the moment: {error}"
        else:
            problem = _lacks(field, content)
            if not problem:
                contents[field] = content
                continue
            problem = f"{problem}: juju update-secret {secret.id} {_usual_keys(field)}"
        problems.append(f"the secret of {config.juju_name(field)} {problem}.")
    return Secrets(contents, tuple(problems))


def remedy(keys_text: str, app: str) -> str:
    """The commands that set what a sentence about options of the snap is about; "" if none does.

    Args:
        keys_text: a sentence of the snap's configure hook, or several.
        app: the application's name.
    """
    words = [word.strip(".,:;'\"()") for word in keys_text.split()]
    keys = [word.replace("inverters.inverter.", "inverter.") for word in words]
    named = [config.GOVERNED.get(key, "extra_options") for key in keys if _OPTION.match(key)]
    fields = list(dict.fromkeys(named))
    values = [f"{config.juju_name(f)}=VALUE" for f in fields if f not in config.SECRETS]
    commands = [f"juju config {app} {' '.join(values)}"] if values else []
    commands += [_make_one(field, app) for field in fields if field in config.SECRETS]
    return "; ".join(commands)


def _lacks(field: str, content: Mapping[str, str]) -> str:
    """The keys that are missing, as "has no KEY"; nothing if a whole set of them is there."""
    missing = [[k for k in keys if not content.get(k)] for keys in config.SECRETS[field].needed]
    if not all(missing):
        return ""
    return f"has no {' or '.join(' and '.join(keys) for keys in missing)}"


def _make_one(field: str, app: str) -> str:
    option = config.juju_name(field)
    name = option.removesuffix("-credentials")
    return (
        f"juju add-secret {name} {_usual_keys(field)}; juju grant-secret {name} {app}; "
        f"juju config {app} {option}=secret:ID"
    )


def _usual_keys(field: str) -> str:
    return " ".join(f"{key}=…" for key in config.SECRETS[field].needed[0])
