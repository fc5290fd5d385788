"""Two minutes of faults in every part at once: nothing is lost, and nothing is made up.

Longer, and with other faults: `tox -e bench chaos --minutes 30 --seed 8`.
"""

from pathlib import Path

from tests.bench.chaos import PACE, run

MINUTES = 2.0
SEED = 7


async def test_what_was_read_arrives_whatever_fails(tmp_path: Path) -> None:
    found = await run(tmp_path, MINUTES, SEED)
    assert {name.partition(":")[0] for name in found.happened} == set(PACE)
    assert found.complaints == []
    assert found.answered, "the Modbus server answers"
    assert found.misled == []
    assert all(found.owed.values()), "something was read while all was well"
    for exporter in ("mqtt", "influxdb"):
        assert not any(found.lost(exporter).values()), (exporter, found.lost(exporter))
        assert not any(found.invented(exporter).values()), (exporter, found.invented(exporter))
    assert not any(found.forgotten.values()), found.forgotten
