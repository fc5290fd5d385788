"""Writes the generated parts of the docs: `python -m tests.docs.generate`.

A page keeps its own words around parts that stand between

    <!-- generated: NAME -->
    <!-- end -->

and this replaces what is between; the man page it writes whole. Tests compare them with what would
be written.
"""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.docs import of_manual, of_packages, of_program, of_values

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MANUAL = ROOT / "sungather/cli/sungather.1"

PARTS: Mapping[str, Callable[[], str]] = {
    "options": of_program.options,
    "commands": of_program.commands,
    "exit codes": of_program.exit_codes,
    "states": of_program.states,
    "errors": of_program.error_classes,
    "services": of_program.service_states,
    "api": of_program.api,
    "api schemas": of_program.api_schemas,
    "faults": of_program.simulator_faults,
    "household": of_values.household,
    "measurements": of_values.measurements,
    "sub devices": of_values.sub_devices,
    "models": of_values.models,
    "metrics": of_values.metrics,
    "topics": of_values.topics,
    "entities": of_values.entities,
    "snap apps": of_packages.snap_apps,
    "charm options": of_packages.charm_options,
    "charm actions": of_packages.charm_actions,
    "charm resources": of_packages.charm_resources,
    "charm alerts": of_packages.charm_alerts,
    "charm dashboards": of_packages.charm_dashboards,
    "charm relations": of_packages.charm_relations,
}
"""Name of a part -> what makes its text."""

_PART = re.compile(r"(<!-- generated: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def written(text: str) -> str:
    """A page with every generated part renewed.

    Raises:
        KeyError: nobody makes one of the parts.
    """
    return _PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]().strip()}\n\n{part[3]}", text)


def names_in(text: str) -> list[str]:
    """The generated parts of a page."""
    return [part[2] for part in _PART.finditer(text)]


def pages() -> list[Path]:
    """Every page of the docs."""
    return sorted(DOCS.rglob("*.md"))


def main() -> int:
    """Renew all pages, and say which of them changed."""
    for page in pages():
        text = page.read_text(encoding="utf-8")
        if (fresh := written(text)) != text:
            page.write_text(fresh, encoding="utf-8")
            print(f"renewed {page.relative_to(ROOT)}")
    manual = of_manual.page()
    if not MANUAL.exists() or MANUAL.read_text(encoding="utf-8") != manual:
        MANUAL.write_text(manual, encoding="utf-8")
        print(f"renewed {MANUAL.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
