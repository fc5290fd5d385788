"""Writing to relations: only what changed, so that nobody is woken for nothing; and complaints."""

import json
from collections.abc import Mapping
from typing import cast

import ops


def write(bag: ops.RelationDataContent, wanted: Mapping[str, str]) -> None:
    """Make these keys of the databag what they should be; "" removes one."""
    for key, text in wanted.items():
        if bag.get(key, "") != text:
            bag[key] = text


def refusal(event: str) -> str:
    """What Grafana or Prometheus has against what it got, as one text; "" if nothing.

    Args:
        event: its key "event": `errors` and `scrape_job_errors`, each a list or a text, with or
            without `valid`.
    """
    try:
        answer: object = json.loads(event) if event else {}
    except ValueError:
        return ""
    if not isinstance(answer, dict):
        return ""
    told = cast("dict[str, object]", answer)
    found = [*_sentences(told.get("errors")), *_sentences(told.get("scrape_job_errors"))]
    if not found and told.get("valid") is False:
        return "no reason given"
    return "; ".join(found)


def _sentences(errors: object) -> list[str]:
    if not errors:
        return []
    if isinstance(errors, list):
        return [text for one in cast("list[object]", errors) for text in _sentences(one)]
    if isinstance(errors, dict):
        parts = cast("dict[str, object]", errors).values()
        return [": ".join(str(part) for part in parts if part)]
    return [str(errors)]
