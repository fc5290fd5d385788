"""What Charmhub's own checks say of the charm, as far as they need no network; a program.

Run by a Python with charmlint and charmhub-listing-review: charm_listing.py DIRECTORY. It prints
one line for each check that is not passed.
"""

import contextlib
import importlib
import inspect
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ONLINE = ("metadata_links", "charmcraft_tooling")
"""Checks that ask servers, or run the whole of tox."""
NOT_OURS = ("charm_plugin_strict_dependencies", "charm_lib_docs")
"""Checks about the plugin charm, and about libraries that a charm publishes."""


def open_points(directory: Path) -> Iterator[str]:
    """Checks of charmhub-listing-review that are not passed."""
    evaluate = importlib.import_module("charmhub_listing_review.evaluate")
    checks: dict[str, Callable[..., str]] = dict(inspect.getmembers(evaluate, inspect.isfunction))
    for name, check in checks.items():
        if list(inspect.signature(check).parameters) != ["repo_dir"] or name.startswith("_"):
            continue
        if name in ONLINE or name in NOT_OURS:
            continue
        with contextlib.redirect_stdout(io.StringIO()):
            said = check(directory)
        if "[x]" not in said:
            yield f"{name}: {said}"


if __name__ == "__main__":
    print("\n".join(open_points(Path(sys.argv[1]))), end="")
