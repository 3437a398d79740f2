"""Gateways hear of allowances soon after usage moved, at once when the cap did, never backwards."""

import httpx
import pytest

from billing.operations import allowances
from billing.operations.allowances import announce_due
from billing.tests.world import NOW, interaction, served
from chassis.database import Transaction
from chassis.testing import OTHER_TENANT, TENANT, Bench, FrozenClock
from contracts.billing import AllowanceChanged


async def heard(bench: Bench, tenant_id: str = TENANT) -> list[AllowanceChanged]:
    events: list[AllowanceChanged] = await bench.emitted(AllowanceChanged)
    return [event for event in events if event.tenant_id == tenant_id]


async def test_a_new_tenant_is_announced(bench: Bench) -> None:
    [event] = await heard(bench)
    assert (event.used_centiunits, event.allowed_centiunits) == (0, 2_000_000)
    assert (event.cycle_ends_at, event.revision) == ("2026-02-14T10:30:00Z", 1)


async def test_moved_usage_is_announced_once_for_many_facts(
    bench: Bench, clock: FrozenClock
) -> None:
    clock.advance(seconds=10)
    for _batch in range(3):
        await bench.deliver(*[served(100) for _fact in range(5)])
    assert await announce_due(bench.database) == 1
    assert await announce_due(bench.database) == 0
    assert [(e.used_centiunits, e.revision) for e in await heard(bench)] == [(0, 1), (1500, 2)]
    assert len(await heard(bench, OTHER_TENANT)) == 1


async def test_an_announcement_speaks_as_of_the_last_fact_it_counts(
    bench: Bench, clock: FrozenClock
) -> None:
    await bench.deliver(interaction(recorded_at=NOW))
    clock.advance(seconds=30)
    await announce_due(bench.database)
    assert (await heard(bench))[-1].occurred_at == NOW


async def test_a_raised_cap_is_announced_with_the_request(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    await bench.deliver(served(2_000_000))
    await announce_due(bench.database)
    shut = (await heard(bench))[-1]
    assert shut.used_centiunits == shut.allowed_centiunits
    await admin.put("/api/billing/overage-cap", json={"capAmount": 200})
    opened = (await heard(bench))[-1]
    assert (opened.used_centiunits, opened.allowed_centiunits) == (2_000_000, 3_000_000)
    assert opened.revision == shut.revision + 1


async def test_a_new_cycle_is_announced_by_itself(bench: Bench, clock: FrozenClock) -> None:
    clock.advance(seconds=10)
    await bench.deliver(served(700))
    await announce_due(bench.database)
    clock.advance(days=30)
    assert await announce_due(bench.database) == 2
    event = (await heard(bench))[-1]
    assert (event.used_centiunits, event.cycle_ends_at) == (0, "2026-03-16T10:30:00Z")
    assert [e.revision for e in await heard(bench)] == [1, 2, 3]


async def test_what_hardly_matters_is_told_a_little_later(bench: Bench, clock: FrozenClock) -> None:
    for _look in range(5):
        await bench.deliver(served(100))
        await announce_due(bench.database)
    assert [event.used_centiunits for event in await heard(bench)] == [0]
    clock.advance(seconds=10)
    assert await announce_due(bench.database) == 1
    assert [event.used_centiunits for event in await heard(bench)] == [0, 500]
    assert await announce_due(bench.database) == 0


async def test_what_matters_is_told_at_once(bench: Bench) -> None:
    used = 0
    for step in (20_001, 1_960_000, 199, 1, 19_799):
        await bench.deliver(served(step))
        used += step
        await announce_due(bench.database)
    assert [event.used_centiunits for event in await heard(bench)] == [
        0,
        20_001,
        1_980_001,
        1_980_201,
        2_000_000,
    ]


async def test_nobody_starves_behind_busy_tenants(
    bench: Bench, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowances, "_AT_ONCE", 5)
    tenants = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(12)]
    for look in range(3):
        for tenant_id in tenants if look == 0 else tenants[:6]:
            await bench.deliver(served(1000, tenant_id=tenant_id))
        clock.advance(seconds=11)
        await announce_due(bench.database)
    told = {event.tenant_id for event in await bench.emitted(AllowanceChanged)}
    assert set(tenants) <= told


async def test_a_tenant_that_cannot_be_told_keeps_no_other_waiting(
    bench: Bench, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.advance(seconds=10)
    await bench.deliver(served(100), served(100, tenant_id=OTHER_TENANT))
    announce = allowances.announce

    async def failing(tx: Transaction, *, always: bool = True) -> bool:
        if tx.tenant_id == TENANT:
            raise LookupError("broken")
        return await announce(tx, always=always)

    monkeypatch.setattr(allowances, "announce", failing)
    assert await announce_due(bench.database) == 1
    assert len(await heard(bench, OTHER_TENANT)) == 2
