"""Which tests may run side by side: those that share no stack and no server."""

from pathlib import Path

import pytest

_HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of one stack in one worker, and so those of one file."""
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.xdist_group(_group_of(item)))


def _group_of(item: pytest.Item) -> str:
    call = getattr(item, "callspec", None)
    profile = call.params.get("stack") if call else None
    return str(profile or item.path.relative_to(_HERE))
