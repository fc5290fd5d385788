"""The four inverters that can be simulated: what is on their type plates, and their sites."""

from dataclasses import dataclass
from typing import Final

from sungather.simulator.day import Site


@dataclass(frozen=True, slots=True)
class Model:
    """One inverter. Texts look like real ones; the serial numbers are made up."""

    name: str
    code: int
    """Device type code, register 5000."""
    hybrid: bool
    nominal: int
    """W."""
    phases: int
    strings: tuple[int, ...]
    """Strings on each MPPT."""
    serial: str
    protocol_number: str
    protocol_version: int
    arm: str
    dsp: str
    site: Site
    firmware: tuple[str, ...] = ()
    """Registers 2582, 2597, 2613, 2629 of hybrids."""
    modules: tuple[str, ...] = ()
    """Registers 13250, 13265, 13280: inverter, communication module, battery."""
    signed_battery: bool = True
    """13021, 13022 and 5631 have a sign (firmware of autumn 2024 and later)."""
    old_dongle: bool = False
    """Its WiNet-S has the firmware of early 2024, with scales of its own."""
    battery_health: int = 100
    """%."""


SG10RT: Final = Model(
    name="SG10RT",
    code=0x2433,
    hybrid=False,
    nominal=10_000,
    phases=3,
    strings=(2, 1),
    serial="A2180412376",
    protocol_number="AS1",
    protocol_version=0x01015300,
    arm="LCD_BERYL-S_V11_V01_A",
    dsp="MDSP_BERYL-S_V11_V01_A",
    site=Site(peak=10_400, limit=10_000, mppts=(-0.8, 1.0), house=620, seed=11),
)
SG5_0RS: Final = Model(
    name="SG5.0RS",
    code=0x2606,
    hybrid=False,
    nominal=5_000,
    phases=1,
    strings=(1, 1),
    serial="A2281507944",
    protocol_number="AS1",
    protocol_version=0x01015300,
    arm="LCD_PEARL-R_V11_V01_B",
    dsp="MDSP_PEARL-R_V11_V01_B",
    site=Site(peak=5_200, limit=5_000, mppts=(-1.6, 1.4), house=430, seed=12),
)
SH10RT: Final = Model(
    name="SH10RT",
    code=0x0E03,
    hybrid=True,
    nominal=10_000,
    phases=3,
    strings=(1, 1),
    serial="A2310715068",
    protocol_number="AB0",
    protocol_version=0x01001100,
    arm="ARM_SAPPHIRE-H_V11_V01_B",
    dsp="MDSP_SAPPHIRE-H_V11_V01_B",
    site=Site(peak=10_200, limit=10_000, mppts=(-1.2, 1.2), house=640, capacity=12_800,
              battery_power=7_600, seed=13),
    firmware=("SAPPHIRE-H_01011.95.13", "SAPPHIRE-H_03011.95.13", "SAPPHIRE-H_B001.V000.P022",
              "SBRBCU-S_22011.01.30"),
    modules=("SAPPHIRE-H_B001.V000.P022", "WINET-SV200.001.00.P043",
             # Real ones leave stale bytes behind the NUL that ends the text.
             "SBRBCU-S_22011.01.30\0 43"),
    battery_health=98,
)  # fmt: skip
SH8_0RT: Final = Model(
    name="SH8.0RT",
    code=0x0E02,
    hybrid=True,
    nominal=8_000,
    phases=3,
    strings=(1, 1),
    serial="A2250903127",
    protocol_number="AB0",
    protocol_version=0x01001100,
    arm="ARM_SAPPHIRE-H_V11_V01_A",
    dsp="MDSP_SAPPHIRE-H_V11_V01_A",
    site=Site(peak=8_300, limit=8_000, mppts=(-0.6, 0.9), house=560, capacity=9_600,
              battery_power=5_700, reserve=0.05, seed=14),
    firmware=("SAPPHIRE-H_01011.01.34", "SAPPHIRE-H_03011.01.34", "SAPPHIRE-H_B000.V000.P008",
              "SBRBCU-S_22011.01.19"),
    modules=("SAPPHIRE-H_B000.V000.P008", "WINET-SV200.001.00.P008", "SBRBCU-S_22011.01.19"),
    signed_battery=False,
    old_dongle=True,
)  # fmt: skip

MODELS: Final = {model.name: model for model in (SG10RT, SG5_0RS, SH10RT, SH8_0RT)}
