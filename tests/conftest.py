"""What all tests share: in CI nothing may be left out."""

import os
from collections.abc import Generator

import hypothesis
import pytest

# How long one example takes says something about the machine, not about the code.
hypothesis.settings.register_profile("sungather", deadline=None)
hypothesis.settings.load_profile("sungather")


def _is_ci() -> bool:
    return os.environ.get("CI") == "true"


def _reason(longrepr: object) -> str:
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)  # pyright: ignore[reportUnknownArgumentType]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failure where CI=true says that everything is installed."""
    report = yield
    if _is_ci() and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"left out in CI: {_reason(report.longrepr)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself as a whole."""
    report = yield
    if _is_ci() and report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"left out in CI: {_reason(report.longrepr)}"
    return report
