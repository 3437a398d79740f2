"""A bench with the small service on it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chassis.testing import Bench, on_the_bench
from chassis.tests import shop


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with on_the_bench(shop.build(tmp_path)) as made:
        yield made
