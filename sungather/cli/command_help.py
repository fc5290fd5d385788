"""What a person is told of each command."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CommandHelp:
    """What a person is told of a command."""

    summary: str
    examples: tuple[str, ...] = ()
    """What can be typed behind "sungather"."""
    options: bool = False
    """Whether it takes the options of the program: `--config` and `--set`."""
    address: bool = False
    """Whether the address of an inverter may follow it."""


COMMANDS = {
    "run": CommandHelp(
        "collect until stopped (the daemon)",
        ("run 192.168.1.10", "run --config sungather.yaml"),
        options=True,
        address=True,
    ),
    "run-once": CommandHelp(
        "read every inverter completely once, export, and stop",
        ("run-once 192.168.1.10", "run-once --format json"),
        options=True,
        address=True,
    ),
    "readings": CommandHelp(
        "show the newest values of the running daemon; the inverter is left alone",
        ("readings", "readings --format json"),
        options=True,
    ),
    "test-connection": CommandHelp(
        "try the connection to every inverter and say what is wrong",
        ("test-connection 192.168.1.10", "test-connection --set inverters.barn.host=192.168.1.11"),
        options=True,
        address=True,
    ),
    "get-inverter-info": CommandHelp(
        "show model, serial number, firmware and state of every inverter",
        ("get-inverter-info 192.168.1.10",),
        options=True,
        address=True,
    ),
    "rejected": CommandHelp(
        "list the readings that a destination refused for good",
        ("rejected", "rejected --again"),
        options=True,
    ),
    "discover": CommandHelp(
        "look for Sungrow devices on the local network, and print the settings to use",
        ("discover", "discover --network 192.168.1.0/24"),
    ),
    "forget": CommandHelp(
        "forget what was learned of the inverters, so that it is learned again",
        ("forget refusals", "forget certificate"),
        options=True,
    ),
    "check-config": CommandHelp(
        "check the options and show what is in force",
        ("check-config", "check-config --config sungather.yaml"),
        options=True,
    ),
    "registers": CommandHelp(
        "show what is read for a model and level, and in which requests",
        ("registers --model SH10RT", "registers --model SG10RT --level 3"),
    ),
    "options": CommandHelp(
        "list all options", ("options", "options | grep mqtt", "options --format json")
    ),
    "import-config": CommandHelp(
        "turn a configuration file of SunGather 0.5 into options, key by key",
        ("import-config config.yaml > sungather.yaml",),
    ),
    "set-secret": CommandHelp(
        "ask for a secret option and set it (snap only)", ("set-secret mqtt.password",)
    ),
    "support-bundle": CommandHelp(
        "write one file for a bug report, with secrets masked", ("support-bundle",), options=True
    ),
    "completion": CommandHelp(
        "print what makes a shell complete commands and arguments",
        (
            "completion bash > ~/.local/share/bash-completion/completions/sungather",
            "completion zsh > ~/.zfunc/_sungather",
        ),
    ),
    "simulate": CommandHelp(
        "serve a simulated inverter on a port",
        ("simulate --model SG10RT", "simulate --fault list"),
    ),
    "demo": CommandHelp(
        "watch a simulated inverter live through a day, without any hardware",
        ("demo", "demo --model SG10RT", "demo --address 127.0.0.1 --port 9000"),
    ),
}
