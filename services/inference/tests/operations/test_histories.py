import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from chassis.documents import Documents, DocumentsUnavailable, open_documents
from chassis.problems import Unavailable
from chassis.testing import MEMBER, OTHER_TENANT, STRANGER, TENANT, Bench
from contracts.interactions import InteractionRecorded, InteractionType
from contracts.tenants import PersonErased
from inference.domain.histories import Entry, History
from inference.operations.histories import Histories
from inference.scorers import HISTORY_LIMIT
from inference.store import popularity
from inference.store.histories import HistoryStore
from inference.tests.conftest import Workshop

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)


def interaction(
    item: str, minute: int, *, weight: float = 1.0, user: str = "ann", tenant: str = TENANT
) -> InteractionRecorded:
    return InteractionRecorded(
        tenant_id=tenant,
        occurred_at=NOON + timedelta(minutes=minute),
        sequence=minute,
        interaction_id=f"{item}-{minute}",
        user_id=user,
        item_id=item,
        interaction_type=InteractionType.LIKE,
        weight=weight,
        source="http",
        centiunits=100,
    )


class SlowStore(HistoryStore):
    """Reads like the real one, but only when told to go on."""

    def __init__(self, documents: Documents) -> None:
        super().__init__(documents)
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()
        self.reads = 0

    async def read(self, tenant_id: str, users: Sequence[str]) -> dict[str, History]:
        self.reads += 1
        found = await super().read(tenant_id, users)
        self.asked.set()
        await self.go_on.wait()
        return found


@pytest.fixture
async def documents(tmp_path):  # type: ignore[no-untyped-def]
    async with open_documents(f"sqlite:///{tmp_path}/documents.db") as documents:
        yield documents


@pytest.fixture
def store(documents: Documents) -> SlowStore:
    store = SlowStore(documents)
    store.go_on.set()
    return store


async def items(histories: Histories, user: str = "ann", tenant: str = TENANT) -> list[str]:
    return [entry.item for entry in (await histories.of(tenant, user)).history.entries]


async def test_another_tenants_user_of_the_same_name_is_somebody_else(store: SlowStore) -> None:
    histories = Histories(store)
    await store.add(TENANT, {"ann": History.of([Entry("tea", 1.0, 1.0)])})
    await histories.hear([interaction("cake", 1, tenant=OTHER_TENANT)])

    assert await items(histories) == ["tea"]
    assert await items(histories, tenant=OTHER_TENANT) == ["cake"]


async def test_what_was_heard_before_it_was_stored_counts(store: SlowStore) -> None:
    histories = Histories(store)
    await histories.hear([interaction("tea", 1)])

    assert await items(histories) == ["tea"]


async def test_what_happens_while_the_document_is_read_counts(store: SlowStore) -> None:
    await store.add(TENANT, {"ann": History.of([Entry("tea", 1.0, NOON.timestamp())])})
    store.asked.clear()
    store.go_on.clear()
    histories = Histories(store)
    reading = asyncio.create_task(items(histories))
    await store.asked.wait()
    await histories.hear([interaction("cake", 1)])
    store.go_on.set()

    assert await reading == ["cake", "tea"]
    assert await items(histories) == ["cake", "tea"]


async def test_a_cached_history_follows_what_is_heard_without_another_read(
    store: SlowStore,
) -> None:
    histories = Histories(store)
    await items(histories)
    await histories.hear([interaction("tea", 1)])
    await histories.hear([interaction("cake", 2), interaction("tea", 0)])

    assert await items(histories) == ["cake", "tea"]
    assert store.reads == 1


async def test_a_document_that_others_wrote_is_seen_once_the_cached_one_is_old(
    store: SlowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    histories = Histories(store)
    await histories.hear([interaction("cake", 2)])
    await items(histories)
    await store.add(TENANT, {"ann": History.of([Entry("tea", 1.0, NOON.timestamp())])})
    monkeypatch.setattr("inference.operations.histories._TRUSTED_AT_FIRST", -1.0)

    assert await items(histories) == ["cake", "tea"]


async def test_several_users_are_read_at_once_and_in_order(store: SlowStore) -> None:
    histories = Histories(store)
    await histories.hear([interaction("tea", 1), interaction("cake", 1, user="ben")])

    found = await histories.of_many(TENANT, ["ben", "nobody", "ann", "ben"])

    assert [[e.item for e in known.history.entries] for known in found] == [
        ["cake"],
        [],
        ["tea"],
        ["cake"],
    ]
    assert store.reads == 1


async def test_who_is_asked_for_while_another_is_read_is_read_with_all_others(
    store: SlowStore,
) -> None:
    histories = Histories(store)
    await histories.hear([interaction("tea", 1), interaction("cake", 1, tenant=OTHER_TENANT)])
    store.go_on.clear()
    first = asyncio.create_task(items(histories, "ben"))
    await store.asked.wait()
    others = [
        asyncio.create_task(items(histories, user, tenant))
        for tenant in (TENANT, OTHER_TENANT)
        for user in ("ann", "cy", "ann", "dan")
    ]
    await asyncio.sleep(0)
    store.go_on.set()

    assert await first == []
    assert await asyncio.gather(*others) == [
        *(["tea"], [], ["tea"], []),
        *(["cake"], [], ["cake"], []),
    ]
    assert store.reads == 3


async def test_a_long_history_is_scored_in_part_and_left_out_whole(store: SlowStore) -> None:
    histories = Histories(store)
    await histories.hear([interaction(f"item-{n}", n) for n in range(HISTORY_LIMIT + 5)])

    known = await histories.of(TENANT, "ann")

    assert known.pasts[0].item == f"item-{HISTORY_LIMIT + 4}"
    assert len(known.pasts) == HISTORY_LIMIT
    assert known.older == {f"item-{n}" for n in range(5)}


async def test_a_store_that_is_away_is_said_to_be(
    documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_given: object, **_named: object) -> None:
        raise DocumentsUnavailable("gone")

    monkeypatch.setattr(documents, "get_many", away)

    with pytest.raises(Unavailable):
        await Histories(HistoryStore(documents)).of(TENANT, "ann")


async def test_a_repeated_batch_changes_neither_history_nor_popularity(
    workshop: Workshop, bench: Bench
) -> None:
    events = [interaction("tea", 1), interaction("tea", 3, weight=0.5), interaction("cake", 2)]
    for _ in range(2):
        await bench.deliver(*events, to="histories")
    await bench.deliver(*reversed(events), to="histories")

    async with bench.database.transaction(tenant_id=TENANT, write=False) as tx:
        counted = await popularity.strongest(tx.session, tenant_id=TENANT, limit=10)
    assert counted == [("tea", 1.5), ("cake", 1.0)]


async def test_popularity_is_counted_per_tenant(workshop: Workshop, bench: Bench) -> None:
    await bench.deliver(
        interaction("tea", 1), interaction("cake", 1, tenant=OTHER_TENANT), to="histories"
    )

    for tenant_id, item in ((MEMBER.tenant_id, "tea"), (STRANGER.tenant_id, "cake")):
        async with bench.database.transaction(tenant_id=tenant_id, write=False) as tx:
            counted = await popularity.strongest(tx.session, tenant_id=tenant_id, limit=10)
        assert counted == [(item, 1.0)]


async def test_documents_survive_the_process(workshop: Workshop, bench: Bench) -> None:
    await bench.deliver(interaction("tea", 1), interaction("cake", 2), to="histories")

    url = workshop.settings.documents("inference")
    async with open_documents(url) as documents:
        assert await items(Histories(HistoryStore(documents))) == ["cake", "tea"]


async def test_an_erased_person_leaves_nothing_behind(workshop: Workshop, bench: Bench) -> None:
    await bench.deliver(interaction("tea", 1), interaction("tea", 1, tenant=OTHER_TENANT))
    erased = PersonErased(
        tenant_id=TENANT, occurred_at=NOON + timedelta(minutes=5), person_uid="ann"
    )
    await bench.deliver(erased)

    histories = bench.app.state.recommender._histories
    assert await items(histories) == []
    assert await items(histories, tenant=OTHER_TENANT) == ["tea"]

    await bench.deliver(interaction("late", 2), interaction("new", 6))
    assert await items(histories) == ["new"]
