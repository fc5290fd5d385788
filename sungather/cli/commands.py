"""What each command does. Results are JSON objects; `tables.py` shows them to people."""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Generator, Mapping
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from sungather import answers, control, errors, privileges
from sungather.options.configuration import Configuration, load
from sungather.options.host_defaults import options_file
from sungather.reading import Path as DevicePath
from sungather.worker import leave_threads_behind

if TYPE_CHECKING:
    from sungather.device.found import Found

log = logging.getLogger(__name__)

_DELIVER_WITHIN = 15.0
"""Seconds that `run-once` waits for exporters to acknowledge."""

Command = Callable[[argparse.Namespace], int]
_Answer = TypeVar("_Answer", bound=Mapping[str, object])


def run(chosen: argparse.Namespace) -> int:
    """Carry out the chosen command; the value is the exit code."""
    return _COMMANDS[chosen.command](chosen)


def _configuration(chosen: argparse.Namespace, need_inverter: bool = True) -> Configuration:
    if chosen.config is None and not privileges.in_snap():
        chosen.config = options_file(os.environ, Path())
        if chosen.config is not None:
            print(f"sungather: Options are read from {chosen.config}.", file=sys.stderr)
    configuration = load(chosen.config, chosen.settings, need_inverter=need_inverter)
    if chosen.command == "run" and privileges.in_snap():
        from sungather.modbus_server.early_ports import open_early

        open_early(configuration.modbus_server.address, configuration.modbus_ports)
    # The file of options and these ports were the last things that root was needed for.
    still_root = privileges.drop_root()
    log_format = "%(levelname)s %(message)s"
    if chosen.command == "run" and not _log_goes_to_journal():
        log_format = f"%(asctime)s {log_format}"
    logging.basicConfig(level=configuration.log.level, format=log_format, stream=sys.stderr)
    if chosen.command in ("run", "check-config"):
        for warning in filter(None, (*configuration.warnings, still_root)):
            log.warning("%s", warning)
    else:
        # The answer says what came of every inverter; the log need not say it twice.
        logging.getLogger("sungather.daemon.collector").setLevel(logging.ERROR)
    return configuration


def _log_goes_to_journal() -> bool:
    """Whether standard error is the journal, which adds the time itself (systemd.exec)."""
    try:
        place = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{place.st_dev}:{place.st_ino}"


def _show(chosen: argparse.Namespace, answer: Mapping[str, object]) -> None:
    if chosen.format == "json":
        print(json.dumps(answer, ensure_ascii=False, indent=None, separators=(", ", ": ")))
        return
    from sungather.cli import tables

    tables.show(chosen.command, answer)


def _daemon(chosen: argparse.Namespace) -> int:
    from sungather.daemon import assembly
    from sungather.daemon.reload import WatchedFile

    watched: WatchedFile | None = None
    if privileges.in_snap() and chosen.config is not None:
        read = partial(_changed_options, chosen)
        watched = WatchedFile(chosen.config, read, _begin_anew)
    configuration = _configuration(chosen)
    if (directory := privileges.logs_directory()) is not None:
        from sungather.daemon.log_files import LogThread

        logging.getLogger().addHandler(LogThread(directory))
    asyncio.run(assembly.run(configuration, watched))
    return 0


def _changed_options(chosen: argparse.Namespace) -> Configuration:
    """The options of the running daemon's file; ends it if they take root, for a new port."""
    from sungather.modbus_server import early_ports

    new = load(chosen.config, chosen.settings)
    if early_ports.lacks(new.modbus_server.address, new.modbus_ports):
        log.warning("The daemon starts anew, for a port below 1024.")
        _begin_anew()
    return new


def _begin_anew() -> NoReturn:
    """End at once, for systemd to start the daemon again, and close nothing that is open.

    It is root then, for what has to be opened before that is given up.
    """
    logging.shutdown()
    os._exit(1)


async def _answer(
    chosen: argparse.Namespace,
    alone: Callable[[Configuration], Awaitable[_Answer]],
    question: str = "",
) -> _Answer:
    """The running daemon's answer, else the one that `alone` makes with a connection of its own.

    Without any inverter in the options, the daemon's inverters are meant. `question` is what the
    daemon is asked, if it is not the name of the command.
    """
    leave_threads_behind()
    trouble: errors.OptionsError | None = None
    try:
        configuration = _configuration(chosen)
    except errors.OptionsError as error:
        # Now, because the file may not be readable a second time: root is given up after this.
        trouble, configuration = error, _configuration(chosen, need_inverter=False)
    socket = configuration.state_directory / control.SOCKET
    question = question or chosen.command
    answer = await control.ask_daemon(socket, question, configuration.targets)
    if answer is None:
        if trouble is not None and (privileges.in_snap() or alone is not _no_daemon):
            raise trouble
        answer = await alone(configuration)
    return answer


async def _read_all(configuration: Configuration) -> answers.ReadingsAnswer:
    from sungather.daemon.assembly import open_pollers
    from sungather.exporters import open_exporters

    exporters = await open_exporters(configuration, console=False)
    try:
        async with open_pollers(configuration) as found:
            scans = await asyncio.gather(*(poller.scan(complete=True) for poller in found))
            readings = list(chain.from_iterable(scans))
            if not await exporters.deliver(readings, _DELIVER_WITHIN):
                log.warning(
                    "Not every exporter has acknowledged the reading within %g s. It is kept, "
                    "and delivered by the next run.",
                    _DELIVER_WITHIN,
                )
            return answers.of_readings(readings)
    finally:
        await exporters.close()


async def _no_daemon(configuration: Configuration) -> NoReturn:
    if await control.ask_daemon(configuration.state_directory / control.SOCKET, "readings", []):
        other = "A daemon is running, but it reads other inverters than these options name."
        file = "" if privileges.in_snap() else ", or name its own file with --config"
        raise errors.DaemonError(f"{other} Leave out --set{file}.")
    where = "" if configuration.inverters else " ADDRESS"
    start, once = f"sungather run{where}", f"sungather run-once{where}"
    if privileges.in_snap():
        snap = privileges.instance()
        start, once = f"sudo snap start {snap}", f"sudo {snap}.run-once"
    raise errors.DaemonError(
        f"No daemon is running, so there are no newest readings. Start it with '{start}', "
        f"or use '{once}'. (Looked in {configuration.state_directory}.)"
    )


async def _test_all(configuration: Configuration) -> answers.ConnectionsAnswer:
    from sungather.daemon.assembly import open_pollers

    async with open_pollers(configuration) as found:
        return {"inverters": list(await asyncio.gather(*(poller.test() for poller in found)))}


async def _info_all(configuration: Configuration) -> answers.InvertersAnswer:
    from sungather.daemon.assembly import open_pollers

    async with open_pollers(configuration) as found:
        await asyncio.gather(*(poller.scan(complete=True) for poller in found))
        return {"inverters": [poller.inverter.info() for poller in found]}


def _forget(chosen: argparse.Namespace) -> int:
    from sungather.daemon import assembly
    from sungather.daemon.collector import forget

    async def alone(configuration: Configuration) -> answers.ForgottenAnswer:
        async with assembly.open_pollers(configuration) as found:
            return await forget(found, chosen.what)

    _show(chosen, asyncio.run(_answer(chosen, alone, f"forget-{chosen.what}")))
    return 0


def _rejected(chosen: argparse.Namespace) -> int:
    configuration = _configuration(chosen, need_inverter=False)
    _show(chosen, asyncio.run(_what_was_rejected(configuration, again=chosen.again)))
    return 0


async def _what_was_rejected(configuration: Configuration, *, again: bool) -> Mapping[str, object]:
    """The running daemon's answer, else that of the outbox that the last one left."""
    from sungather.exporters import open_exporters

    leave_threads_behind()
    command = "rejected-again" if again else "rejected"
    socket = configuration.state_directory / control.SOCKET
    if (answer := await control.ask_daemon(socket, command, [])) is not None:
        return answer
    exporters = await open_exporters(configuration, console=False)
    try:
        await exporters.load()
        answer = await exporters.rejected(again=again)
        if again:
            await exporters.deliver([], _DELIVER_WITHIN)
        return answer
    finally:
        await exporters.close()


def _read_command(
    alone: Callable[[Configuration], Awaitable[_Answer]], exit_code: Callable[[_Answer], int]
) -> Command:
    def command(chosen: argparse.Namespace) -> int:
        with _progress(chosen):
            answer = asyncio.run(_answer(chosen, alone))
        _show(chosen, answer)
        return exit_code(answer)

    return command


@contextlib.contextmanager
def _progress(chosen: argparse.Namespace) -> Generator[None]:
    """A sign of life on a terminal for whatever takes longer than a moment."""
    if not sys.stderr.isatty() or chosen.format == "json":
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status("Asking the inverter …"):
        yield


def _discover(chosen: argparse.Namespace) -> int:
    from sungather.device import discover
    from sungather.device.found import options_text
    from sungather.device.networks import networks_of, own_networks

    networks = networks_of(chosen.network) if chosen.network else own_networks()
    report = _count_hosts if sys.stderr.isatty() else None
    on_found = _name_found if sys.stderr.isatty() else None
    found = asyncio.run(discover.discover(networks, report, on_found=on_found))
    answer: answers.DiscoveryAnswer = {
        "networks": [str(network) for network in networks],
        "found": [answers.FoundAnswer(**dataclasses.asdict(one)) for one in found],
        "options": options_text(found),
    }
    _show(chosen, answer)
    return 0 if found else errors.Unreachable.exit_code


def _name_found(one: "Found") -> None:
    """Say it at once: the search of the network may take some seconds more."""
    print(f"\r{one.host}: {one.what} {one.model} {one.serial}".rstrip(), file=sys.stderr)


def _count_hosts(done: int, hosts: int) -> None:
    end = "\n" if done == hosts else ""
    print(f"\rlooked at {done} of {hosts} addresses", end=end, file=sys.stderr, flush=True)


def _check_config(chosen: argparse.Namespace) -> int:
    from sungather.cli.reports import configuration_report

    _show(chosen, configuration_report(_configuration(chosen)))
    return 0


def _registers(chosen: argparse.Namespace) -> int:
    from sungather.cli.reports import register_report

    path = DevicePath(chosen.path)
    _show(chosen, register_report(chosen.model, chosen.level, chosen.max_registers, path))
    return 0


def _options(chosen: argparse.Namespace) -> int:
    from sungather.cli.reports import option_report
    from sungather.options.schema import schema

    if chosen.format == "json":
        print(json.dumps(schema(), ensure_ascii=False, indent=2))
    else:
        _show(chosen, option_report())
    return 0


def _import_config(chosen: argparse.Namespace) -> int:
    from sungather.options.file import LARGEST
    from sungather.options.migrate import import_config

    try:
        with contextlib.ExitStack() as stack:
            standard = chosen.file == "-"
            old = (
                sys.stdin.buffer if standard else stack.enter_context(Path(chosen.file).open("rb"))
            )
            imported = import_config(old.read(LARGEST + 1))
    except OSError as error:
        raise errors.OptionsError([f"{chosen.file}: {error.strerror}."]) from None
    if chosen.format == "json":
        notes = [{**dataclasses.asdict(one), "fate": str(one.fate)} for one in imported.notes]
        print(json.dumps({"text": imported.text, "notes": notes}, ensure_ascii=False))
        return 0
    print(imported.text, end="")
    for note in imported.notes:
        print(f"{note.fate}: {note.key}: {note.text}", file=sys.stderr)
    return 0


def _completion(chosen: argparse.Namespace) -> int:
    import shtab

    from sungather.cli.arguments import parser

    print(shtab.complete(parser(), shell=chosen.shell), end="")
    return 0


def _set_secret(chosen: argparse.Namespace) -> int:
    from sungather.snap.set_secret import set_secret

    set_secret(chosen.key)
    print(f"{chosen.key} is set.", file=sys.stderr)
    return 0


def _support_bundle(chosen: argparse.Namespace) -> int:
    from sungather.cli import support_bundle

    now = datetime.now().astimezone()
    text = asyncio.run(support_bundle.bundle(_configuration(chosen, need_inverter=False), now))
    file = chosen.output or support_bundle.place(now)
    try:
        support_bundle.write(text, file)
    except OSError as error:
        raise errors.OptionsError([f"{file} cannot be written: {error.strerror}."]) from None
    where = privileges.on_host(str(file))
    print(json.dumps({"file": where}) if chosen.format == "json" else where)
    return 0


def _simulate(chosen: argparse.Namespace) -> int:
    from sungather.cli.simulate import simulate

    return asyncio.run(simulate(chosen))


def _demo(chosen: argparse.Namespace) -> int:
    from sungather.cli import demo

    return asyncio.run(demo.demo(chosen))


_COMMANDS: dict[str, Command] = {
    "run": _daemon,
    "run-once": _read_command(_read_all, answers.exit_code),
    "readings": _read_command(_no_daemon, answers.exit_code),
    "test-connection": _read_command(_test_all, answers.exit_code_of_test),
    "get-inverter-info": _read_command(_info_all, answers.exit_code),
    "rejected": _rejected,
    "discover": _discover,
    "forget": _forget,
    "check-config": _check_config,
    "registers": _registers,
    "options": _options,
    "import-config": _import_config,
    "set-secret": _set_secret,
    "completion": _completion,
    "support-bundle": _support_bundle,
    "simulate": _simulate,
    "demo": _demo,
}
