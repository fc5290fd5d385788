"""The picture of the flow: the ring of the house tells where its power comes from."""

import re

import pytest

from sungather.web.flow import Flow, drawing
from sungather.web.language import languages

ENGLISH = languages()["en"]


def ring(flow: Flow) -> dict[str, float]:
    """Source -> share of the ring of the house."""
    html = drawing(flow, battery=True, say=ENGLISH)
    house = html[html.index("node house") :].partition("</g>")[0]
    arcs = re.findall(
        r'class="arc (pv|battery|grid)"[^>]*stroke-dasharray="([\d.]+) ([\d.]+)"', house
    )
    return {kind: round(float(length) / float(whole), 2) for kind, length, whole in arcs}


@pytest.mark.parametrize(
    ("flow", "shares"),
    [
        (
            Flow(pv=500, house=1000, grid_import=300, battery_discharge=200),
            {"pv": 0.5, "battery": 0.2, "grid": 0.3},
        ),
        (Flow(pv=4000, house=1000, grid_export=2000, battery_charge=1000), {"pv": 1.0}),
        (Flow(house=1000, grid_import=1000), {"grid": 1.0}),
        (Flow(pv=0, house=800, battery_discharge=800), {"battery": 1.0}),
        (Flow(pv=4000), {}),
    ],
)
def test_the_ring_of_the_house_adds_up_to_what_it_uses(
    flow: Flow, shares: dict[str, float]
) -> None:
    assert ring(flow) == shares
