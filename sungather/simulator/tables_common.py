"""Registers that string and hybrid inverters share, by documented address. See `words.py`."""

from typing import Final

from sungather.simulator.words import parse_table

INPUT: Final = parse_table("""
4950 swap2  -      protocol_number
4952 u32    -      protocol_version
4954 text15 -      arm
4969 text15 -      dsp
4990 text10 -      serial
5000 u16    -      code
5001 u16    0.1kW  nominal
5002 u16    -      output_type
5008 s16    0.1C   temperature
5009 u32    1VA    apparent
5011 u16    0.1V   mppt_1_voltage
5012 u16    0.1A   mppt_1_current
5013 u16    0.1V   mppt_2_voltage
5014 u16    0.1A   mppt_2_current
5015 u16    0.1V   absent
5016 u16    0.1A   absent
5017 u32    1W     dc
5019 u16    0.1V   phase_a_voltage
5020 u16    0.1V   phase_b_voltage
5021 u16    0.1V   phase_c_voltage
5022 u16    0.1A   phase_a_current
5023 u16    0.1A   phase_b_current
5024 u16    0.1A   phase_c_current
5031 s32    1W     active
5033 s32    1var   reactive
5035 s16    0.001  power_factor
5036 u16    0.1Hz  frequency
5049 u16    0.1kvar nominal_reactive
5071 u16    1kOhm  insulation
5114 u16    -      =1
5147 u16    0.1V   bus_voltage
5148 u16    0.01Hz frequency
""")

HOLDING: Final = parse_table("""
5000 u16 - year
5001 u16 - month
5002 u16 - day
5003 u16 - hour
5004 u16 - minute
5005 u16 - second
5006 u16 - =0xCF
5007 u16 - =0x55
5008 u16 0.1% =1000
""")
