"""What comes from outside: devices, brokers, servers, and whoever finds the control socket."""

import base64
import json
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

_SECRET = "(secret)"  # noqa: S105 (what stands in the place of one)
_SHORTEST_TOKEN = 8


def fit_to_show(text: str, secrets: Iterable[str] = (), longest: int = 300) -> str:
    """A stranger's text as one short line for logs, answers and pages.

    Control characters could forge lines of a log or colour a terminal: each run of what cannot be
    printed becomes one space. `secrets` are what we told the stranger, and what it may send back.
    """
    hidden = sorted(_spellings(secrets), key=len, reverse=True)
    text = _masked(text, hidden)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    # Masked before it is cut, so that no half of a secret stays; and again, now that it is joined.
    text = _masked(text, hidden)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def told_in(target: str, headers: Mapping[str, str]) -> list[str]:
    """What a request tells a server that may be a secret: in its headers, or in the address."""
    sent = [part for value in headers.values() for part in (value, *value.split())]
    query = parse_qsl(urlsplit(target).query)
    return sent + [value for _, value in query if len(value) >= _SHORTEST_TOKEN]


def parsed_json(text: str | bytes) -> object:
    """The value of a JSON text.

    Raises:
        ValueError: it is not JSON, or is nested too deeply to be of any use.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _masked(text: str, hidden: Iterable[str]) -> str:
    for one in hidden:
        text = text.replace(one, _SECRET)
    return text


def _spellings(secrets: Iterable[str]) -> set[str]:
    """Secrets as they are, and as requests and answers carry them."""
    found: set[str] = set()
    for secret in filter(None, secrets):
        in_json = json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
        in_base64 = base64.b64encode(secret.encode("utf-8", "replace")).decode()
        in_urls = quote(secret, errors="replace"), quote_plus(secret, errors="replace")
        found |= {secret, *in_urls, in_base64, *in_json}
    return found
