"""Registers of string inverters, by documented address. See `words.py`."""

from typing import Final

from sungather.simulator import tables_common
from sungather.simulator.words import parse_table

_SG: Final = tables_common.INPUT + parse_table("""
5003 u16 0.1kWh today_pv
5004 u32 1kWh   total_pv
5006 u32 1h     total_running
5038 u16 -      work_state_1
5039 u16 -      absent
5040 u16 -      absent
5041 u16 -      absent
5042 u16 -      absent
5043 u16 -      absent
5044 u16 -      absent
5045 u16 -      absent
5077 u32 1W     nominal
5079 s32 1var   =0
5081 u32 -      work_state_2
5083 s32 1W     meter_power
5085 s32 1W     meter_a_power
5091 s32 1W     metered_load
5093 u32 0.1kWh metered_today_exported
5095 u32 0.1kWh metered_total_exported
5097 u32 0.1kWh metered_today_imported
5099 u32 0.1kWh metered_total_imported
5101 u32 0.1kWh metered_today_direct
5103 u32 0.1kWh metered_total_direct
5113 u16 1min   today_running
5115 u16 0.1V   absent
5116 u16 0.1A   absent
5117 u16 0.1V   absent
5118 u16 0.1A   absent
5119 u16 0.1V   absent
5120 u16 0.1A   absent
5121 u16 0.1V   absent
5122 u16 0.1A   absent
5123 u16 0.1V   absent
5124 u16 0.1A   absent
5125 s16 0.001  =1000
5128 u32 0.1kWh month_pv
5130 u16 0.1V   absent
5131 u16 0.1A   absent
5132 u16 0.1V   absent
5133 u16 0.1A   absent
5134 u16 0.1V   absent
5135 u16 0.1A   absent
5136 u16 0.1V   absent
5137 u16 0.1A   absent
5144 u32 0.1kWh total_pv
5146 s16 0.1V   ground_voltage
5150 u16 -      absent
5151 u16 -      absent
5216 s32 1W     meter_power
5218 s32 1W     metered_load
""")

SG_RT: Final = _SG + parse_table("""
5087 s32 1W     meter_b_power
5089 s32 1W     meter_c_power
5223 u16 0.1kWh today_pv
5224 u32 0.1kWh month_pv
5226 u32 0.1kWh total_pv
5230 u32 1h     total_running
5236 u32 1W     dc
5242 u16 0.01Hz frequency
5244 u16 0.1V   bus_voltage
5246 u16 1kOhm  insulation
7013 u16 0.01A  string_1_current
7014 u16 0.01A  string_2_current
7015 u16 0.01A  string_3_current
7016 u16x21 -   no_string_currents
""")

# On a single phase the meter's other two are signed registers without support: all ones.
SG_RS: Final = _SG + parse_table("""
5087 u32 1W     absent
5089 u32 1W     absent
""")

HOLDING: Final = tables_common.HOLDING + parse_table("""
5010 u16 -      =0x55
5011 u16 0.01kW nominal
5015 u16 0.1%   =1000
5019 s16 0.001  =1000
5020 u16 -      =0x55
5033 s16 0.1%   =0
5034 u16 -      =0
5035 u16 -      =0x55
5036 u16 -      =0x55
5037 s16 0.1%   =0
5039 u16 0.1kW  nominal
5040 s16 0.1kvar =0
5041 u16 -      absent
5042 u16 -      absent
5043 u16 -      absent
5116 u16x19 -   q_p_curve
5135 u16x20 -   q_u_curve
""")
