"""The plant on a real broker: a topic and a device of its own, and nothing left behind."""

import json
from dataclasses import replace
from pathlib import Path

from sungather.reading import ActiveFault, FaultReport, Reading, State
from tests.mqtt_parts import OPTIONS, at, audience, bench
from tests.outbox_parts import NOON, reading
from tests.plain_values import measurements
from tests.real_parts import mosquitto, running

PLANT = "sungather/plant/house"
DEVICE = "homeassistant/device/sungather_sungather_plant_house/config"
FAN = FaultReport((ActiveFault("arm_fault_1", "083 Fan 2 Stall Alarm"),))


def inverter(state: State = State.OK) -> Reading:
    return replace(reading(NOON, "roof", state, pv_power=4000, pv_energy_total=9.0), faults=FAN)


def manager() -> Reading:
    known = measurements({"grid_export_power": 3300, "grid_import_power": 0, "house_power": 700})
    return replace(
        reading(NOON, "home"), serial="", model="iHomeManager", family="ems", measurements=known
    )


async def test_the_plant_has_a_topic_and_a_device_of_its_own_and_goes_with_the_second_inverter(
    tmp_path: Path,
) -> None:
    with running(mosquitto(tmp_path)) as server:
        options = at(server, replace(OPTIONS, value_topics="true"))
        async with audience(server.port) as heard:
            async with bench(tmp_path, options, names=("roof", "home")) as b:
                b.take(inverter())
                b.take(manager())
                await b.drained()
                await heard.hears(lambda: heard.on(f"{PLANT}/connection"))
                state = json.loads(heard.on(f"{PLANT}/state")[-1])
                figures = {name: state[name] for name in state if name.endswith("_power")}
                assert figures == {
                    "pv_power": 4000, "house_power": 700,
                    "grid_export_power": 3300, "grid_import_power": 0,
                }  # fmt: skip
                assert (state["fault"], state["faults"]) == (True, "roof: 083 Fan 2 Stall Alarm")
                told = json.loads(heard.on(DEVICE)[-1])
                assert told["dev"]["name"] == "Whole plant"
                assert told["stat_t"] == f"{PLANT}/state"
                assert "pv_power" in told["cmps"]
                assert not [one for one in told["cmps"] if "energy" in one]
                assert heard.on(f"{PLANT}/values/pv_power") == ["4000"]
                b.take(replace(inverter(State.UNREACHABLE), faults=None))
                await heard.hears(lambda: "" in heard.on(f"{PLANT}/values/pv_power"))
                assert "pv_power" not in json.loads(heard.on(f"{PLANT}/state")[-1])
                assert heard.retained()[f"{PLANT}/values/grid_export_power"] == "3300"
            async with bench(tmp_path, options, names=("roof", "home")) as b:
                # A restart keeps the place until it knows better.
                await b.is_in_state("ok")
                await heard.heard_all_so_far(server.port)
                assert heard.retained()[f"{PLANT}/availability"] == "offline"
                assert DEVICE in heard.retained()
            async with bench(tmp_path, options, names=("roof",)) as b:
                b.take(inverter())
                await b.drained()
                await heard.hears(lambda: DEVICE not in heard.retained())
                assert not [one for one in heard.retained() if one.startswith(f"{PLANT}/")]
