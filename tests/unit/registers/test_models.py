"""The list of device type codes."""

import pytest

from sungather.reading import NOT_INVERTERS
from sungather.registers.codes import MODELS, meaning
from sungather.registers.models import device_for, model_named, model_names
from sungather.registers.tables import DATA


@pytest.mark.parametrize(
    ("code", "model", "family", "kilowatt", "phases", "mppts", "strings"),
    [
        (0x2433, "SG10RT / SG10RT-20", "SG-RT", 10.0, 3, 2, 3),
        (0x0E03, "SH10RT", "SH-RT", 10.0, 3, 2, 0),
        (0x0E0E, "SH8.0RT-V112", "SH-RT", 8.0, 3, 2, 0),
        (0x2606, "SG5.0RS", "SG-RS", 5.0, 1, 2, 0),
        (0x2604, "SG3.6RS", "SG-RS", 3.68, 1, 2, 0),
        (0x0132, "SG60KU-M", "SG-KU", 60.0, 3, 4, 16),
        (0x0D0C, "SH5K-30", "SH-K", 5.0, 1, None, 0),
        (0x0D1B, "SH10RS", "SH-RS", 10.0, 1, 4, 0),
        (0x0D28, "MG6RL", "MG-RL", 6.0, None, 2, 0),
        (0x0E28, "SH25T", "SH-T", 25.0, 3, 3, 5),
        (0x2611, "SG8.0RS-L", "SG-RS", 8.0, 1, 2, 3),
        (0x0138, "SG80KTL / SG80KTL-20", "SG-KTL", 80.0, 3, 1, 18),
        (0x2C12, "SG100CX / SG100CX-JP", "SG-CX", 100.0, 3, 12, 24),
        (0x2C05, "SG100CX", "SG-CX", 100.0, 3, 9, 18),
        (0x20E7, "SBR096", "battery", None, None, None, 0),
        (0x072A, "iHomeManager", "ems", None, None, None, 0),
    ],
)
def test_code_gives_the_model_and_what_is_known_of_it(
    code: int,
    model: str,
    family: str,
    kilowatt: float | None,
    phases: int | None,
    mppts: int | None,
    strings: int,
) -> None:
    device = device_for(code)
    assert device.code == code
    assert (device.display_model, device.family) == (model, family)
    assert (device.nominal_kw, device.phases) == (kilowatt, phases)
    assert (device.mppts, device.strings) == (mppts, strings)


def test_models_that_share_a_code_have_one_name_for_identities() -> None:
    lines = (DATA / "models.table").read_text(encoding="utf-8").splitlines()
    names: dict[int, list[str]] = {}
    for line in lines:
        if line.startswith("0x"):
            code, name = (cell.strip() for cell in line.split("|")[:2])
            names.setdefault(int(code, 16), []).append(name)
    shared = {code: each for code, each in names.items() if len(each) > 1}
    assert len(shared) == 20
    for code, (first, *others) in shared.items():
        device = device_for(code)
        assert (device.model, list(device.other_models)) == (first, others)
        assert device.display_model == " / ".join([first, *others])
        assert meaning(MODELS, code) == first


def test_no_code_of_the_documents_is_missing() -> None:
    lines = (DATA / "models.table").read_text(encoding="utf-8").splitlines()
    listed = {int(line.split()[0], 16) for line in lines if line.startswith("0x")}
    assert len(listed) >= 269
    assert all(device_for(code).family for code in listed)


def test_unknown_code_is_named_by_its_number_and_has_no_family() -> None:
    device = device_for(0x1234)
    assert device.model == "unknown (0x1234)"
    assert device.family == ""
    assert not device.hybrid
    assert (device.nominal_kw, device.phases, device.mppts, device.strings) == (None,) * 4


def test_unknown_code_that_begins_like_a_known_one_stays_unknown() -> None:
    assert device_for(0x24).family == ""


def test_model_is_found_by_name_whatever_its_capitals() -> None:
    assert model_named(" sh10rt ") == device_for(0x0E03)


def test_model_of_a_shared_code_keeps_its_own_name_and_strings() -> None:
    device = model_named("SG10RT-20")
    assert (device.code, device.model, device.strings) == (0x2433, "SG10RT-20", 0)


def test_name_on_several_codes_means_the_lowest() -> None:
    assert model_named("SG5.0RT").code == 0x2430


def test_wrong_name_is_answered_with_near_ones() -> None:
    with pytest.raises(ValueError, match=r"no model 'SH10TR'.*Did you mean SH10T or SH10RT"):
        model_named("SH10TR")


def test_name_like_no_other_is_refused_without_a_guess() -> None:
    with pytest.raises(ValueError, match=r"no model '\?\?\?' in the list\.$"):
        model_named("???")


def test_names_are_those_of_inverters() -> None:
    names = model_names()
    assert {"SH10RT", "SG10RT-20", "MG5RL", "SG4KTL"} <= set(names)
    assert not {"SBR096", "DTSU666", "AC22E-01", "Logger1000"} & set(names)


def test_every_name_leads_to_a_device_of_an_inverter_family() -> None:
    for name in model_names():
        device = model_named(name)
        assert device.family.startswith(("SG-", "SH-", "MG-"))
        assert device.family not in NOT_INVERTERS
        assert device.nominal_kw
