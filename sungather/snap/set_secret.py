"""`set-secret KEY`: asks for a secret and lets it take effect, just as the configure hook does.

`snap set sungather mqtt.password=…` would show it in the list of processes and leave it in the
shell's history.
"""

import getpass
import os
import sys

from sungather import errors
from sungather.options.all_options import OPTIONS
from sungather.options.keys import option
from sungather.options.option import OptionKind
from sungather.options.values import listed
from sungather.privileges import in_snap, instance
from sungather.snap.apply import apply
from sungather.snap.stored import stored

_LONGEST = 64 * 1024


class _Refused(errors.OptionsError):
    def __init__(self, sentence: str) -> None:
        super().__init__([sentence])


def set_secret(key: str) -> None:
    """Ask for the option `key` and store it.

    Raises:
        OptionsError: it is no secret, or wrong, or nobody may set it here.
        SnapctlFailed: snapd refused something.
    """
    if not in_snap():
        raise _Refused("set-secret belongs to the snap: here, write it into the file of --config.")
    row = option(key)
    if row is None or not row.secret:
        secrets = [one.key for one in OPTIONS if one.secret]
        what = f"'{key}' is no option" if row is None else f"{key} is no secret"
        raise _Refused(f"{what}: the secrets are {listed(secrets, 'and')}.")
    if os.geteuid() != 0:
        raise _Refused(f"Only root can set options: sudo {instance()}.set-secret {key}")
    text = _asked(key, several_lines=row.kind is OptionKind.LINES)
    if not text:
        raise _Refused(f"Nothing is changed. To remove it: sudo snap unset {instance()} {key}")
    apply(stored(), {key: text})


def _asked(key: str, *, several_lines: bool) -> str:
    """The secret from standard input: typed unseen, or piped in."""
    if not sys.stdin.isatty():
        text = sys.stdin.read(_LONGEST)
        return text if several_lines else text.removesuffix("\n")
    if several_lines:
        raise _Refused(
            f"{key} has several lines, so pipe it in: "
            f"cat FILE | sudo {instance()}.set-secret {key}"
        )
    return getpass.getpass(f"{key}: ", sys.stderr)
