"""What a fault's code means, and what a household can do about it; pure.

The meanings are the manufacturer's, of the register map. The advice is what a household can do
without a tool.
"""

import re
from collections.abc import Mapping
from typing import Final

from sungather.registers.codes import fault_texts
from sungather.web.language import Language

_CODE: Final = re.compile(r"\d{1,4}\b")
_ADVICE: Final[Mapping[str, tuple[range, ...]]] = {
    "grid": (range(2, 6), range(8, 11), range(13, 16), range(17, 18)),
    "leakage": (range(12, 13),),
    "heat": (range(36, 38),),
    "insulation": (range(39, 40),),
    "cold": (range(43, 44),),
    "fan": (range(70, 71), range(82, 84), range(512, 514)),
    "surge": (range(71, 73), range(500, 501)),
    "meter": (range(84, 85), range(514, 515)),
    "arc": (range(88, 89),),
    "battery": (range(600, 625), range(700, 750), range(800, 1000)),
    "reversed": (range(28, 30), range(448, 480), range(532, 548), range(564, 572)),
}
"""Key of an advice -> the codes that it is for; one code means the same on all models."""


def advice(text: str, say: Language) -> str:
    """What to do about the fault with this text; "" where it has no code."""
    found = _CODE.match(text)
    if found is None:
        return ""
    number = int(found[0])
    known = (kind for kind, codes in _ADVICE.items() if any(number in one for one in codes))
    return say(f"advice.{next(known, 'other')}")


def linked(text: str, say: Language) -> str:
    """The fault's text with a link to what its code means."""
    found = _CODE.match(text)
    said = say.foreign(text)
    if found is None or int(found[0]) not in fault_texts():
        return said
    return f'<a href="codes#c{int(found[0])}">{said}</a>'


def table(say: Language) -> str:
    """All codes that are known, with what they mean and what to do."""
    rows = "".join(
        f'<tr id="c{code}"><th scope="row">{code:03}</th><td>'
        f"{'<br>'.join(say.foreign(text) for text in texts)}"
        f'<p class="quiet">{advice(f"{code:03}", say)}</p></td></tr>'
        for code, texts in sorted(fault_texts().items())
    )
    return (
        f'<h1>{say("codes.title")}</h1><p class="quiet">{say("codes.about")}</p>'
        f'<table class="codes"><thead><tr><th scope="col">{say("codes.code")}</th>'
        f'<th scope="col">{say("codes.meaning")}</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )
