"""How a collector is put together."""

from pathlib import Path
from zoneinfo import ZoneInfo

from sungather.clock import Clock
from sungather.daemon.assembly import modbus_server, pollers
from sungather.device.night import NightSite
from sungather.options.configuration import load


def test_each_inverter_knows_the_others_of_its_site(tmp_path: Path) -> None:
    """What flows through a meter is theirs, too."""
    file = tmp_path / "sungather.yaml"
    hosts = [f"  {name}: {{host: 192.0.2.1}}" for name in ("a", "b", "c")]
    file.write_text("\n".join(("inverters:", *hosts, f"storage: {{directory: {tmp_path}}}")))
    inverters = [poller.inverter for poller in pollers(load(file, (), environment={}))]
    for inverter in inverters:
        others = {other.options.name for other in inverter.others}
        assert others == {"a", "b", "c"} - {inverter.options.name}


def test_the_inverters_know_where_the_site_is(tmp_path: Path) -> None:
    """Where it is night follows from that, for each of them."""
    options = (
        "inverter.host=192.0.2.1",
        f"storage.directory={tmp_path}",
        "site.timezone=Europe/Berlin",
    )
    place = ("site.latitude=52.5", "site.longitude=13.4")
    for given, site in (
        (options, NightSite(ZoneInfo("Europe/Berlin"))),
        ((*options, *place), NightSite(ZoneInfo("Europe/Berlin"), 52.5, 13.4)),
    ):
        (poller,) = pollers(load(None, given, environment={}))
        assert poller.inverter._site == site  # pyright: ignore[reportPrivateUsage]


def test_other_programs_are_served_on_a_port_for_each_inverter(tmp_path: Path) -> None:
    """And everything is read for them, whatever the level; without the server nothing more."""
    file = tmp_path / "sungather.yaml"
    file.write_text(
        "inverters: {a: {host: 192.0.2.1}, b: {host: 192.0.2.2, modbus-server-port: 502}, "
        "c: {host: 192.0.2.3}}\nmodbus-server: {enabled: true}\n"
        f"storage: {{directory: {tmp_path}}}"
    )
    configuration = load(file, (), environment={})
    assert configuration.modbus_ports == [5502, 502, 5504]
    found = pollers(configuration)
    (server,) = modbus_server(configuration, found, Clock())
    assert server.name == "modbus-server"
    assert all(poller.words is not None for poller in found)
    off = load(file, ["modbus-server.enabled=false"], environment={})
    assert off.modbus_ports == []
    assert modbus_server(off, pollers(off), Clock()) == []
    assert all(poller.words is None for poller in pollers(off))
