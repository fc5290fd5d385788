"""Which HTTP proxy the environment names for an address, by curl's rules.

`https_proxy`, `http_proxy` and `all_proxy` name it, `no_proxy` makes exceptions; lower case comes
first: https://everything.curl.dev/usingcurl/proxies/env.html
"""

import ipaddress
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, and what its requests need."""

    secure: bool
    """Whether the connection to the proxy itself is encrypted."""
    host: str
    port: int
    headers: Mapping[str, str]
    """`Proxy-Authorization`, if the address holds a user name."""


def proxy_for(scheme: str, host: str, port: int, environment: Mapping[str, str]) -> Proxy | None:
    """The proxy for a server, or None.

    Raises:
        ValueError: the proxy cannot be used; one sentence, without its password.
    """
    # Upper case HTTP_PROXY is a request's header to a CGI script, not an administrator's wish.
    cgi = scheme == "http" and "REQUEST_METHOD" in environment
    names = (f"{scheme}_proxy", "" if cgi else f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    name = next((name for name in names if environment.get(name)), "")
    exceptions = environment.get("no_proxy") or environment.get("NO_PROXY", "")
    if not name or excepted(exceptions, host, port):
        return None
    url = environment[name]
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        proxy_port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        raise ValueError(f"The environment's {name} is not the address of a proxy.") from None
    if parts.scheme not in _PORTS:
        raise ValueError(f"The environment's {name} names a proxy that does not speak HTTP.")
    if not parts.hostname:
        raise ValueError(f"The environment's {name} is not the address of a proxy.")
    headers: dict[str, str] = {}
    if parts.username is not None:
        who = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Proxy-Authorization"] = f"Basic {b64encode(who.encode()).decode()}"
    return Proxy(parts.scheme == "https", parts.hostname, proxy_port, headers)


def excepted(exceptions: str, host: str, port: int) -> bool:
    """Whether `exceptions` (the text of `no_proxy`) holds a server.

    Unlike curl it takes ports (`name:8086`) and brackets (`[::1]`) too.
    """
    if exceptions.strip() == "*":
        return True
    host = host.lower().removesuffix(".")
    return any(
        _matches(entry.lower(), host, port) for entry in exceptions.replace(",", " ").split()
    )


def _matches(entry: str, host: str, port: int) -> bool:
    if entry.count(":") == 1 or "]:" in entry:
        entry, _, wanted = entry.rpartition(":")
        if wanted != str(port):
            return False
    entry = entry.replace("[", "").replace("]", "")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = entry.removeprefix(".").removesuffix(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
