"""A live Home Assistant core, with its MQTT integration at a broker."""

# Home Assistant is installed in an environment of its own, not where types are checked.
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from homeassistant import auth, bootstrap, config_entries, core, loader, setup

from tests.real_parts import free_port


def _configure(directory: Path, port: int) -> None:
    """A Home Assistant with nothing but the MQTT integration."""
    (directory / "configuration.yaml").write_text("homeassistant:\n")
    entry = {
        "entry_id": "mqtt", "version": 1, "minor_version": 2, "domain": "mqtt", "title": "broker",
        "data": {"broker": "127.0.0.1", "port": port}, "options": {}, "source": "user",
        "pref_disable_new_entities": False, "pref_disable_polling": False, "unique_id": None,
        "disabled_by": None, "created_at": "2026-01-01T00:00:00+00:00",
        "modified_at": "2026-01-01T00:00:00+00:00", "discovery_keys": {}, "subentries": [],
    }  # fmt: skip
    storage = directory / ".storage"
    storage.mkdir()
    (storage / "core.config_entries").write_text(
        json.dumps(
            {
                "version": 1,
                "minor_version": 5,
                "key": "core.config_entries",
                "data": {"entries": [entry]},
            }
        )
    )


@asynccontextmanager
async def home_assistant(directory: Path, port: int) -> AsyncGenerator[core.HomeAssistant]:
    """A running core with the MQTT integration at the broker on that port."""
    _configure(directory, port)
    hass = core.HomeAssistant(str(directory))
    loader.async_setup(hass)
    hass.config_entries = config_entries.ConfigEntries(hass, {})
    # Not `async_setup_hass`: it insists on the frontend, which is another package.
    await bootstrap.async_load_base_functionality(hass)
    hass.auth = await auth.auth_manager_from_config(hass, [], [])
    hass.config.skip_pip = True  # integrations would want packages of their own versions
    web = {"server_host": ["127.0.0.1"], "server_port": free_port()}
    for domain, config in (("http", {"http": web}), ("mqtt", {})):
        assert await setup.async_setup_component(hass, domain, config)
    await hass.async_start()
    try:
        yield hass
    finally:
        await hass.async_stop(force=True)


async def until(condition: Callable[[], Any]) -> None:
    """Wait until Home Assistant's states say so."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 (Home Assistant's states, not ours)
            await asyncio.sleep(0.05)
