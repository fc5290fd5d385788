"""A type code that two models share: people read both names, identities have one."""

from functional.cli.test_commands import Shell, at, sungather

from sungather.simulator import device_named, serve

BOTH = "SG10RT / SG10RT-20"
__all__ = ["sungather"]


async def test_people_read_both_names_and_programs_one(sungather: Shell) -> None:
    async with await serve(device_named("SG10RT")) as server:
        for command in ("test-connection", "get-inverter-info", "run-once"):
            code, out, _ = await sungather(command, *at(server))
            assert (code, BOTH in out) == (0, True), command
            _, answer = await sungather.json(command, *at(server))
            (one,) = answer["inverters"]
            assert (one["model"], one["display_model"]) == ("SG10RT", BOTH)
        _, out, _ = await sungather("run-once", *at(server), "--set=console.enabled=true")
        assert out.count(BOTH) >= 1
