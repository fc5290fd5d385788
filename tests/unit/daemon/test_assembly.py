"""How a collector is put together."""

from pathlib import Path

from sungather.daemon.assembly import pollers
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
