"""Usage is the sum of facts, each once, in the cycle in which it was kept."""

import asyncio
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.app import build
from billing.tests.world import (
    NOW,
    conversion,
    interaction,
    item,
    no_item,
    registered,
    served,
    usage,
)
from chassis.testing import (
    ADMIN,
    OTHER_TENANT,
    TENANT,
    Bench,
    FrozenClock,
    on_the_bench,
    settings_in,
)
from contracts.envelope import Event
from contracts.tenants import PersonErased


async def test_all_three_kinds_of_facts_count(bench: Bench, admin: httpx.AsyncClient) -> None:
    await bench.deliver(interaction(100), served(300), conversion(1), interaction(1))
    assert (await usage(admin))["unitsUsed"] == 4.02
    assert (await usage(admin))["requestsUsed"] == 4


async def test_a_repeated_fact_is_free(bench: Bench, admin: httpx.AsyncClient) -> None:
    fact = served(100)
    for _time in range(3):
        await bench.deliver(fact, fact)
    assert (await usage(admin))["requestsUsed"] == 1


async def test_facts_of_two_tenants_under_one_id_both_count(
    bench: Bench, admin: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    await bench.deliver(
        interaction(event_id="e1"), interaction(event_id="e1", tenant_id=OTHER_TENANT)
    )
    assert (await usage(admin))["requestsUsed"] == 1
    assert (await usage(stranger))["requestsUsed"] == 1


async def test_users_and_items_are_distinct(bench: Bench, admin: httpx.AsyncClient) -> None:
    await bench.deliver(*[interaction(user_id=f"u{n % 3}") for n in range(7)])
    await bench.deliver(item("a", 1), item("b", 1), item("a", 2))
    await bench.deliver(no_item("b", 3), item("b", 2), item("c", 1, OTHER_TENANT))
    found = await usage(admin)
    assert (found["usersUsed"], found["itemsUsed"]) == (3, 1)


async def test_an_erased_person_is_forgotten_and_what_they_used_stays(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    await bench.deliver(interaction(user_id="p"), interaction(user_id="q"))
    await bench.deliver(PersonErased(tenant_id=TENANT, occurred_at=NOW, person_uid="p"))
    found = await usage(admin)
    assert (found["usersUsed"], found["requestsUsed"]) == (1, 2)


async def test_a_late_event_counts_when_it_was_kept(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    await bench.deliver(interaction())
    clock.advance(days=31)
    await bench.deliver(
        interaction(occurred_at=NOW, recorded_at=clock()),
        # Kept before the cycle ended, heard of after it: the old cycle's.
        interaction(recorded_at=NOW + timedelta(days=29)),
    )
    assert (await usage(admin))["requestsUsed"] == 1
    clock.moment = NOW + timedelta(days=29)
    assert (await usage(admin))["requestsUsed"] == 2


async def test_the_last_request_is_the_latest_kept(bench: Bench, admin: httpx.AsyncClient) -> None:
    for minutes in (5, 9, 2):
        await bench.deliver(interaction(recorded_at=NOW + timedelta(minutes=minutes)))
    assert (await usage(admin))["lastRequestAt"] == "2026-01-15T10:39:00Z"


async def test_facts_may_come_before_the_registration(tmp_path: Path, clock: FrozenClock) -> None:
    service = build(settings_in(tmp_path))
    service.database.clock = clock
    async with on_the_bench(service) as bench, bench.as_caller(ADMIN) as client:
        await bench.deliver(interaction(recorded_at=NOW + timedelta(seconds=2)))
        await bench.deliver(registered())
        await bench.deliver(interaction(recorded_at=NOW + timedelta(seconds=3)))
        assert (await usage(client))["requestsUsed"] == 2
        found = (await client.get("/api/billing/current")).json()
        assert found["currentPeriodStart"] == "2026-01-15T10:30:00Z"


async def test_overage_is_priced_and_capped(bench: Bench, admin: httpx.AsyncClient) -> None:
    await bench.deliver(served(1_000_000), served(12_345))
    found = await usage(admin)
    assert (found["unitsUsed"], found["overageUnits"]) == (10123.45, 123.45)
    assert found["requestsUsed"] == 10123
    assert (found["overageAmount"], found["budgetExceeded"]) == (1.23, False)
    await admin.put("/api/billing/overage-cap", json={"capAmount": 1})
    found = await usage(admin)
    assert (found["overageAmount"], found["budgetExceeded"]) == (1.23, True)
    assert found["warnings"]


facts = st.lists(
    st.tuples(
        st.sampled_from(["interaction", "served", "conversion"]),
        st.sampled_from([1, 100, 300]),
        st.sampled_from(["u", "v", "w"]),
    ),
    max_size=12,
)


def told(number: int, kind: str, centiunits: int, user_id: str) -> Event:
    more: dict[str, Any] = {"event_id": f"e{number}"}
    if kind == "interaction":
        return interaction(centiunits, user_id=user_id, **more)
    return served(centiunits, **more) if kind == "served" else conversion(centiunits, **more)


async def counted(events: list[Event]) -> tuple[float, int]:
    with tempfile.TemporaryDirectory() as folder:
        service = build(settings_in(Path(folder)))
        service.database.clock = FrozenClock(NOW)
        async with on_the_bench(service) as bench, bench.as_caller(ADMIN) as client:
            await bench.deliver(registered())
            for at in range(0, len(events), 4):
                await bench.deliver(*events[at : at + 4])
            found = await usage(client)
            return found["unitsUsed"], found["usersUsed"]


@settings(max_examples=12, deadline=None)
@given(facts, st.data())
def test_any_order_and_any_repetition_add_up_to_the_same(
    happened: list[tuple[str, int, str]], data: st.DataObject
) -> None:
    events = [told(number, *fact) for number, fact in enumerate(happened)]
    repeats = data.draw(st.lists(st.sampled_from(events), max_size=6) if events else st.just([]))
    order = data.draw(st.permutations(events + repeats))
    requests, users = asyncio.run(counted(order))
    assert round(requests * 100) == sum(centiunits for _kind, centiunits, _user in happened)
    assert users == len({user for kind, _units, user in happened if kind == "interaction"})
