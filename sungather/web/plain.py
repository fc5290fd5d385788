"""Documents beside the page, without a script: what codes mean; pure."""

from collections.abc import Mapping
from importlib import resources
from typing import Final

from sungather.web import codes
from sungather.web.language import Language

_PLAIN: Final = (
    resources.files("sungather.web").joinpath("plain.html").read_text("utf-8").replace("\n", "")
)


def codes_document(say: Language, assets: Mapping[str, str]) -> str:
    """What the codes of faults mean."""
    return _document(say("codes.title"), codes.table(say), say, assets)


def _document(title: str, body: str, say: Language, assets: Mapping[str, str]) -> str:
    return _PLAIN.format(
        lang=say.code, title=title, body=body, assets=assets, back=say("page.back")
    )
