"""The relation mqtt (mqtt v0, a draft published with the mosquitto-operator charm).

What is wanted goes into our application's databag, where the broker is and who we are comes from
the other side's, with the credentials in a Juju secret. The reading side is pure.
"""

import contextlib
import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass

import ops
import pydantic

import databag

ENDPOINT = "mqtt"
_LONGEST_FILTER = 512
_LONGEST = 255
_CONNECTION = (
    *("mqtt.enabled", "mqtt.host", "mqtt.port", "mqtt.username", "mqtt.password"),
    *("mqtt.tls.enabled", "mqtt.tls.ca", "mqtt.client-id"),
)
_AS_IT_IS: Mapping[str, None] = dict.fromkeys(_CONNECTION)
"""A connection that works is left alone while the broker says nothing that can be used."""


class Access(enum.StrEnum):
    """What a client may do with a topic."""

    UNKNOWN = "UNKNOWN"
    READ = "read"
    WRITE = "write"
    READWRITE = "readwrite"
    DENY = "deny"

    @classmethod
    def _missing_(cls, value: object) -> "Access":  # noqa: ARG003 (the base's name)
        return cls.UNKNOWN


class Protocol(enum.StrEnum):
    """What an endpoint of the broker speaks."""

    UNKNOWN = "UNKNOWN"
    MQTT = "mqtt"
    WEBSOCKETS = "websockets"

    @classmethod
    def _missing_(cls, value: object) -> "Protocol":  # noqa: ARG003 (the base's name)
        return cls.UNKNOWN


def _plain(text: str, longest: int) -> str:
    if text != text.strip() or any(sign in text for sign in "\r\n\0") or len(text) > longest:
        raise ValueError("not a plain text")
    return text


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, alias_generator=lambda n: n.replace("_", "-"))


class Permission(_Part):
    """A topic filter and what is allowed on it."""

    filter: str | None = None
    access: Access | None = None

    @pydantic.field_validator("filter")
    @classmethod
    def _plain_filter(cls, text: str | None) -> str | None:
        return None if text is None else _plain(text, _LONGEST_FILTER)


class Endpoint(_Part):
    """Where the broker listens."""

    host: str | None = None
    port: int | None = None
    tls: bool | None = None
    protocol: Protocol | None = None

    @pydantic.field_validator("host")
    @classmethod
    def _plain_host(cls, text: str | None) -> str | None:
        return None if text is None else _plain(text, _LONGEST)

    @property
    def usable(self) -> bool:
        """Whether the snap can connect to it."""
        known = bool(self.host) and self.port is not None and 0 < self.port < 65536
        return known and self.protocol is Protocol.MQTT


class Trouble(_Part):
    """Why the broker could not do what was asked for."""

    message: str | None = None
    code: str | None = None


class Bag(_Part):
    """The broker's databag; nothing in it is mandatory."""

    endpoints: tuple[Endpoint, ...] | None = None
    secret_user: str | None = None
    granted_permissions: tuple[Permission, ...] | None = None
    client_id_prefix: str | None = None
    tls_ca: str | None = None
    mqtt_version: str | None = None
    error: Trouble | None = None

    @pydantic.field_validator("client_id_prefix")
    @classmethod
    def _plain_prefix(cls, text: str | None) -> str | None:
        return None if text is None else _plain(text, _LONGEST)


class _User(pydantic.BaseModel):
    username: str
    password: str

    @pydantic.field_validator("username", "password")
    @classmethod
    def _plain_text(cls, text: str) -> str:
        return _plain(text, _LONGEST)


@dataclass(frozen=True)
class Broker:
    """What the relation gives."""

    options: Mapping[str, str | None]
    """Options of the snap: none without the relation, and None for what stays as it is."""
    problem: str = ""
    """What is missing, for the status."""
    remark: str = ""
    """What is less than asked for, for the status."""


def parse(texts: Mapping[str, str]) -> Bag | None:
    """The broker's databag; None if anything in it is not as agreed, so that it is ignored."""
    try:
        return Bag.model_validate({key: json.loads(text) for key, text in texts.items()})
    except ValueError:
        return None


def wanted_permissions(options: Mapping[str, str]) -> dict[str, Access]:
    """Topic filter -> access that the snap needs with these options of its.

    It reads what it has retained there, to keep apart from others and to take back what is no
    more.
    """
    topics = [f"{options['mqtt.topic']}/#"]
    discovery = options.get("mqtt.homeassistant-prefix", "homeassistant")
    announced = options.get("mqtt.homeassistant") == "true"
    # SunGather 0.5 announced each entity alone.
    entities = bool(options.get("mqtt.ha-sensors"))
    as_before = options.get("mqtt.compatibility-topic", "")
    topics += [f"{discovery}/device/#"] if announced else []
    topics += [f"{discovery}/+/+/config"] if entities else []
    if as_before or options.get("mqtt.compatibility") or entities:
        topics.append(as_before or "SunGather/+")
    wanted = dict.fromkeys(topics, Access.READWRITE)
    return wanted | ({f"{discovery}/status": Access.READ} if announced or entities else {})


def request(charm: ops.CharmBase, wanted: Mapping[str, Access]) -> None:
    """Ask the broker for what is wanted; only the leader may."""
    relation = charm.model.get_relation(ENDPOINT)
    if relation is None or not charm.unit.is_leader():
        return
    permissions = [{"filter": f, "access": str(access)} for f, access in wanted.items()]
    databag.write(
        relation.data[charm.app],
        {
            "topic-permissions": json.dumps(permissions),
            "client-id-prefix": json.dumps(f"{charm.app.name}-"),
            "requested-secrets": json.dumps([{"field": "username"}, {"field": "password"}]),
            "mtls-cert": json.dumps(None),
        },
    )


def broker(charm: ops.CharmBase, wanted: Mapping[str, Access]) -> Broker:
    """What the related broker gives; nothing without a relation.

    Args:
        charm: the charm.
        wanted: topic filter -> access that is needed.
    """
    relation = charm.model.get_relation(ENDPOINT)
    if relation is None:
        return Broker({})
    name = relation.app.name
    bag = parse(dict(relation.data[relation.app]))
    if bag is None:
        problem = f"{name} answers in a way that the interface mqtt does not know"
        return Broker(_AS_IT_IS, problem)
    refusal = (bag.error.message or bag.error.code or "") if bag.error is not None else ""
    refused = f"{name}: {refusal}" if refusal else ""
    usable = [one for one in bag.endpoints or () if one.usable]
    if not usable or bag.secret_user is None:
        waiting = f"waiting for {name} to say where the MQTT broker is"
        return Broker(_AS_IT_IS, refused or waiting)
    user = _user(charm, bag.secret_user)
    if user is None:
        return Broker(_AS_IT_IS, refused or f"the credentials of {name} cannot be read yet")
    # Encrypted before plain, then in a stable order.
    chosen = min(usable, key=lambda one: (not one.tls, one.host or "", one.port or 0))
    options = {
        # What was granted before a request was refused still holds, so what is on stays on.
        "mqtt.enabled": None if refused else "true",
        "mqtt.host": chosen.host or "",
        "mqtt.port": str(chosen.port),
        "mqtt.username": user.username,
        "mqtt.password": user.password,
        "mqtt.tls.enabled": "true" if chosen.tls else "false",
        "mqtt.tls.ca": (bag.tls_ca or "") if chosen.tls else "",
        "mqtt.client-id": (
            f"{bag.client_id_prefix}{charm.unit.name.replace('/', '-')}"
            if bag.client_id_prefix
            else ""
        ),
    }
    lacking = lacks(wanted, bag.granted_permissions)
    remark = f"{name} grants no {', no '.join(lacking)}" if lacking else ""
    return Broker(options, refused, remark)


def lacks(wanted: Mapping[str, Access], granted: tuple[Permission, ...] | None) -> list[str]:
    """What of `wanted` is not granted, as "access to filter"; nothing if grants are not told."""
    if granted is None:
        return []
    missing: list[str] = []
    for topics, access in wanted.items():
        needed = (Access.READ, Access.WRITE) if access is Access.READWRITE else (access,)
        for one in needed:
            allowed = [p for p in granted if p.access in (one, Access.READWRITE)]
            if not any(covers(p.filter or "", topics) for p in allowed):
                missing.append(f"{one} access to {topics}")
    return missing


def covers(wide: str, narrow: str) -> bool:
    """Whether every topic of the filter `narrow` is one of the filter `wide`."""
    ours, theirs = wide.split("/"), narrow.split("/")
    for index, level in enumerate(ours):
        if level == "#":
            return True
        if index >= len(theirs) or theirs[index] == "#":
            return False
        if level not in ("+", theirs[index]):
            return False
    return len(ours) == len(theirs)


def _user(charm: ops.CharmBase, uri: str) -> _User | None:
    with contextlib.suppress(ops.ModelError, ValueError):
        content = charm.model.get_secret(id=uri).get_content(refresh=True)
        return _User.model_validate(content)
    return None
