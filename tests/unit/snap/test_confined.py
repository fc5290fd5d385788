"""What only the snap refuses, because its confinement would let it fail later."""

from pathlib import Path

import pytest

from sungather.options.configuration import load
from sungather.snap.confined import problems

COMMON = Path("/var/snap/sungather/common")


def said(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "options.yaml"
    file.write_text(f"inverter:\n  host: inverter\n{text}")
    return problems(load(file), COMMON)


def test_defaults_are_fine(tmp_path: Path) -> None:
    assert said(tmp_path, "") == []


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("web: {port: 80}", "web.port"),
        ("storage: {directory: /home/me}", "storage.directory"),
        ("storage: {directory: /var/snap/sungather/common/state/../logs}", "storage.directory"),
        ('  tls: {ca: "/home/me/ca.pem"}', "inverter.tls.ca"),
        ('mqtt: {tls: {ca: "/home/me/ca.pem"}}', "mqtt.tls.ca"),
        ('influxdb: {tls: {ca: "/home/me/ca.pem"}}', "influxdb.tls.ca"),
        ('mqtt: {tls: {ca: "-----BEGIN CERTIFICATE-----\\nx"}}', "mqtt.tls.ca"),
    ],
)
def test_what_would_fail_later_is_refused_at_once(tmp_path: Path, text: str, key: str) -> None:
    (sentence,) = said(tmp_path, text)
    assert sentence.startswith(key)
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    "text",
    [
        "web: {port: 80, enabled: false}",
        "storage: {directory: /var/snap/sungather/common/state/elsewhere}",
    ],
)
def test_what_works_or_is_switched_off_is_taken(tmp_path: Path, text: str) -> None:
    assert said(tmp_path, text) == []


def test_a_key_that_was_cut_is_not_shown(tmp_path: Path) -> None:
    secret = "hunter2-hunter2"
    (sentence,) = said(tmp_path, f'mqtt: {{tls: {{cert: "{secret}", key: "{secret}"}}}}')
    assert secret not in sentence
    assert str(COMMON) in sentence
