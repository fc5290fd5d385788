"""The form of the register map's files, and what holds for every row."""

from dataclasses import replace
from pathlib import Path as FilePath

import pytest

from sungather.reading import Path
from sungather.registers import codes, tables
from sungather.registers.catalogue import Register, registers_for
from sungather.registers.device import Device
from sungather.registers.kinds import kind
from sungather.registers.models import device_for, model_named, model_names


def _one_of_each_build() -> list[Device]:
    """A model of each family, number of phases, MPPTs and strings, and patterned name."""
    named = [model_named(name) for name in model_names()]
    unlisted = [replace(device_for(0xFFF0), family=family) for family in ("SG", "SH")]
    builds = {
        (of.family, of.phases, of.mppts, of.strings, "KTL-M" in of.model, "-JP" in of.model): of
        for of in [*named, *unlisted]
    }
    return [
        replace(of, path=path, masked=masked, meter=meter)
        for of in builds.values()
        for path, masked, meter in [
            (Path.CABLE, False, True),
            (Path.DONGLE, True, False),
            (Path.UNKNOWN, False, True),
        ]
    ]


DEVICES = _one_of_each_build()


@pytest.fixture(scope="module")
def everything() -> list[Register]:
    found = {register for of in DEVICES for register in registers_for(of, 3)}
    return sorted(found, key=lambda register: (register.address, register.name))


def test_every_row_is_for_some_device(everything: list[Register]) -> None:
    used = {(register.space, register.address, register.name) for register in everything}
    files = ("common", "string", "hybrid", "settings", "history", "undocumented")
    rows = [row.register for name in files for row in tables.read_rows(name)]
    assert {(row.space, row.address, row.name) for row in rows} == used
    assert len(used) > 350


def test_every_row_says_where_it_comes_from(everything: list[Register]) -> None:
    for register in everything:
        assert len(register.source) > 4


def test_undocumented_rows_are_level_3(everything: list[Register]) -> None:
    for register in everything:
        if "protocol" not in register.source and "measured" not in register.source:
            assert register.level == 3, register


def test_rows_have_kinds_tables_and_levels_that_exist(everything: list[Register]) -> None:
    for register in everything:
        shape = kind(register.kind)
        assert (register.count, register.length) == (shape.count, shape.length)
        assert register.level in (1, 2, 3)
        assert register.count <= 100
        if register.codes:
            assert codes.meaning(register.codes, 1, bits=16 * shape.words) is not None


def test_units_are_written_as_home_assistant_does(everything: list[Register]) -> None:
    units = {register.unit for register in everything}
    assert units == {
        *("", "%", "A", "Ah", "C", "Hz", "V", "VA", "W", "h", "kW", "kWh", "kg"),
        *("kvar", "kΩ", "min", "s", "var", "°C"),
    }


def test_one_name_has_one_unit_on_a_device() -> None:
    for of in DEVICES:
        seen: dict[str, str] = {}
        for register in registers_for(of, 3):
            assert seen.setdefault(register.name, register.unit) == register.unit, register


def test_no_register_is_twice_on_a_device() -> None:
    for of in DEVICES:
        found = [(r.name, r.space, r.address) for r in registers_for(of, 3)]
        assert len(found) == len(set(found)), of


def test_higher_level_only_adds() -> None:
    for of in DEVICES:
        one, two, three = (set(registers_for(of, level)) for level in (1, 2, 3))
        assert one <= two <= three


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("1 | too | few", "3 columns instead of 10"),
        ("1 | a | u17 | 1 | W | 1 fast | | | S |", "u17 is not the name of a kind"),
        ("1 | a | u16 | 1 | W | 1 often | | | S |", "'often' is not a valid Tier"),
        ("1 | a | u16 | 1 | W | 1 fast | | colour:red | S |", "unknown mark colour"),
        ("1 | a | u16 | 1 | W | 1 fast | | zeros | S |", "unknown mark zeros"),
        ("1 | a | u16 | 1 | W | 1 fast | | | X |", "X"),
        ("1+2 | a | u16 | 1 | W | 1 fast | | | S |", "no {from-to} in the name a"),
        ("x | a | u16 | 1 | W | 1 fast | | | S |", "invalid literal"),
        ("[coil] SG", "'coil' is not a valid Space"),
    ],
)
def test_wrong_row_is_named_by_file_and_line(
    line: str, complaint: str, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"source S = somewhere\n[input] SG\n{line}\n"
    (tmp_path / "wrong.table").write_text(text, encoding="utf-8")
    monkeypatch.setattr(tables, "DATA", tmp_path)
    with pytest.raises(ValueError, match=r"wrong\.table, line 3: ") as caught:
        list(tables.read_rows("wrong"))
    assert complaint in str(caught.value)
