"""Chaos goes first: it waits most of its two minutes, while other processes run the rest."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests."""
    items.sort(key=lambda item: item.path.name != "test_chaos.py")
