"""What holds for all tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with runs of the workflow: begun last, one of minutes would keep a single core busy."""
    items.sort(key=lambda item: "workflow" not in item.keywords)
