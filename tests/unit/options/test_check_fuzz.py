"""`check-config` and `run` are of one mind: what the check takes is run, whatever was typed."""

import asyncio
import tempfile
from datetime import UTC, datetime

import aiomqtt
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sungather.clock import Clock
from sungather.daemon.assembly import modbus_server, page, pollers
from sungather.exporters import open_exporters
from sungather.exporters.compatibility import entities
from sungather.exporters.compatibility import topic as earlier_topic
from sungather.exporters.influxdb_points import Layout
from sungather.exporters.mqtt_layout import place_of
from sungather.options.all_options import OPTIONS
from sungather.options.check import check
from sungather.options.configuration import Configuration, configured
from sungather.options.ha_sensors import parse_ha_sensors
from sungather.options.option import Option
from sungather.outbox import Record
from tests.outbox_parts import reading
from tests.unit.exporters.test_line_protocol import SAFE_LINE
from tests.unit.options.test_configuration_fuzz import ENVIRONMENT, texts_of

NEEDED = {
    "inverter.host": "192.0.2.1",
    "mqtt.host": "192.0.2.2",
    "influxdb.url": "http://192.0.2.3",
    "influxdb.bucket": "solar",
    "pvoutput.api-key": "key",
    "pvoutput.system-id": "1",
    "storage.directory": "/nowhere",
    "outbox.megabytes": "64",
}
ENABLED = {f"{one}.enabled": "true" for one in ("mqtt", "influxdb", "pvoutput", "modbus-server")}
ROWS = [row for row in OPTIONS if not row.key.endswith(".enabled")]

_ODD = st.text(st.sampled_from("a1Z+#/$=,;:*_-. \\\t\n\0\x7f'\"{}[]|&!é\U0001f600"), max_size=8)
_SENSORS = st.builds(
    "- name: {}\n  sensor_type: {}\n  register: {}\n  icon: {}".format, _ODD, _ODD, _ODD, _ODD
)


def typed(row: Option) -> st.SearchStrategy[str]:
    """What somebody may type there: right, nearly right, or odd."""
    right = texts_of(row)
    nearly = st.builds(lambda *parts: "".join(parts), _ODD, right, _ODD)
    return (
        st.one_of(right, nearly, _ODD, _SENSORS) if "sensors" in row.key else right | nearly | _ODD
    )


OPTIONS_TYPED = st.lists(st.sampled_from(ROWS), max_size=6, unique=True).flatmap(
    lambda rows: st.fixed_dictionaries({row.key: typed(row) for row in rows})
)


async def start(configuration: Configuration) -> None:
    """Everything that `run` makes of the options before it talks to anybody."""
    clock = Clock()
    exporters = await open_exporters(configuration)
    found = pollers(configuration, exporters.services, clock)
    page(configuration, exporters.services, clock, None)
    modbus_server(configuration, found, clock)
    await exporters.close()
    for poller in found:
        await poller.inverter.close()


def publish(configuration: Configuration) -> None:
    """Everything that goes to a broker or to InfluxDB can be sent."""
    mqtt = configuration.mqtt
    one = reading(datetime(2026, 6, 21, 12, tzinfo=UTC))
    state = earlier_topic(one.serial, mqtt.compatibility_topic)
    sensors = parse_ha_sensors(mqtt.ha_sensors) if mqtt.ha_sensors else []
    announced = entities(sensors, one, "h", state, mqtt.homeassistant_prefix)
    place = place_of("roof", "", mqtt.topic, one.serial)
    for topic in (place.state, state, f"{mqtt.homeassistant_prefix}/device/a/config", *announced):
        aiomqtt.Topic(topic)
        assert "\0" not in topic
        assert not topic.startswith("$")
    record = Record(1, "roof", "SH10RT", one.serial, 1000, 1000, {"pv_power": 1, "max_export": 2})
    for point in Layout(configuration.influxdb, configuration.timezone).points([record]):
        assert SAFE_LINE.fullmatch(point.text)
        assert not point.text.startswith("#")
        assert "\n" not in point.text


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(OPTIONS_TYPED)
@example({"mqtt.topic": "solar/#"})
@example({"mqtt.topic": "/solar/"})
@example({"mqtt.homeassistant-prefix": "ha/+"})
@example({"mqtt.compatibility-topic": "solar/+"})
@example({"influxdb.tags": "abc"})
@example({"influxdb.measurement": "#a"})
@example({"mqtt.ha-sensors": "- name: a+\n  sensor_type: sensor"})
@example({"inverter.devices": "battery:x"})
def test_what_the_check_takes_can_be_run_and_published(texts: dict[str, str]) -> None:
    """And of what it does not take, it tells the option."""
    checked = check({**NEEDED, **texts, **ENABLED})
    if checked.problems:
        assert {one.key for one in checked.problems} <= {*texts, *NEEDED, *(r.key for r in ROWS)}
        return
    with tempfile.TemporaryDirectory() as directory:
        here = check({**NEEDED, **texts, **ENABLED, "storage.directory": directory})
        configuration = configured(here, ENVIRONMENT)
        asyncio.run(start(configuration))
        publish(configuration)
