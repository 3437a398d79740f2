"""Interactions go when they are older than is kept, and not before others have heard of them."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from catalog.domain.interactions import Interaction
from catalog.operations import forgetting
from catalog.settings import CatalogSettings
from catalog.store import interactions as store
from chassis.testing import OTHER_TENANT, TENANT, Bench, FrozenClock
from contracts.interactions import InteractionType

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
KEEP = timedelta(days=30)


async def keep(bench: Bench, number: int, *, days_ago: int, tenant_id: str = TENANT) -> None:
    rows = [
        Interaction(
            event_id=f"{days_ago}-{each}",
            user_id="u",
            item_id="i",
            interaction_type=InteractionType.VIEW,
            occurred_at=NOW,
        )
        for each in range(number)
    ]
    at = NOW - timedelta(days=days_ago)
    async with bench.database.transaction(tenant_id=tenant_id) as tx:
        await store.insert(tx, rows, tenant_id=tenant_id, recorded_at=at)


async def count(bench: Bench, tenant_id: str = TENANT) -> int:
    async with bench.database.transaction(tenant_id=tenant_id) as tx:
        return await store.count(tx)


async def test_old_interactions_go_in_batches_once_they_are_announced(
    bench: Bench, announced: Callable[[], Awaitable[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.database, "clock", FrozenClock(NOW))
    monkeypatch.setattr(store, "_SOME", 2)
    await keep(bench, 5, days_ago=31)
    await keep(bench, 2, days_ago=31, tenant_id=OTHER_TENANT)
    assert await forgetting.forget(bench.database, keep=KEEP) == 0
    assert len(await announced()) == 7
    await keep(bench, 3, days_ago=29)

    assert await forgetting.forget(bench.database, keep=KEEP) == 7
    assert (await count(bench), await count(bench, OTHER_TENANT)) == (3, 0)
    assert await forgetting.forget(bench.database, keep=KEEP) == 0
    assert len(await announced()) == 10


@pytest.mark.parametrize("days", ["-1", "1", "13.9"])
def test_what_may_come_again_is_kept(days: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_INTERACTION_DAYS", days)
    with pytest.raises(ValidationError):
        CatalogSettings()


def test_interactions_are_kept_for_ever_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert CatalogSettings().interaction_memory is None
    monkeypatch.setenv("MILLRACE_INTERACTION_DAYS", "14")
    assert CatalogSettings().interaction_memory == timedelta(days=14)
