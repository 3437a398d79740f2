from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from chassis.documents import Documents, open_documents
from chassis.testing import OTHER_TENANT, TENANT, Bench, FrozenClock
from contracts.interactions import InteractionRecorded, InteractionType
from inference.operations.catalogue import Catalogue
from inference.operations.histories import Histories
from inference.operations.sessions import LASTING, Sessions
from inference.store.histories import HistoryStore, SessionStore
from inference.tests.conftest import Workshop

CLOCK = FrozenClock()


def interaction(
    item: str,
    session: str | None = "s",
    *,
    hours_ago: float = 0.0,
    user: str = "ann",
    tenant: str = TENANT,
) -> InteractionRecorded:
    return InteractionRecorded(
        tenant_id=tenant,
        occurred_at=CLOCK() - timedelta(hours=hours_ago),
        sequence=1,
        interaction_id=item,
        user_id=user,
        item_id=item,
        interaction_type=InteractionType.LIKE,
        weight=1.0,
        session_id=session,
        source="http",
        centiunits=100,
    )


@pytest.fixture
async def documents(tmp_path: Path) -> AsyncIterator[Documents]:
    async with open_documents(f"sqlite:///{tmp_path}/documents.db") as documents:
        yield documents


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def sessions(documents: Documents, clock: FrozenClock) -> Sessions:
    return Sessions(SessionStore(documents), Catalogue(), clock=clock)


@pytest.fixture
def histories(documents: Documents) -> Histories:
    return Histories(HistoryStore(documents))


async def items(
    sessions: Sessions, histories: Histories, session: str = "s", tenant: str = TENANT
) -> list[str]:
    known = await histories.of(tenant, "ann")
    together = await sessions.beside(known, tenant, session)
    return [entry.item for entry in together.history.entries]


async def test_another_tenants_session_of_the_same_name_is_another(
    sessions: Sessions, histories: Histories
) -> None:
    await sessions.hear([interaction("tea"), interaction("cake", tenant=OTHER_TENANT)])

    assert await items(sessions, histories) == ["tea"]
    assert await items(sessions, histories, tenant=OTHER_TENANT) == ["cake"]
    assert await items(sessions, histories, session="other") == []


async def test_a_session_stands_beside_the_users_history(
    sessions: Sessions, histories: Histories
) -> None:
    await histories.hear([interaction("tea", hours_ago=90), interaction("jam", hours_ago=1)])
    await sessions.hear([interaction("cake", user="nobody yet"), interaction("ale", None)])

    known = await histories.of(TENANT, "ann")
    together = await sessions.beside(known, TENANT, "s")

    assert [past.item for past in together.pasts] == ["cake", "jam", "tea"]
    assert together.session == {"cake"}
    assert [past.item for past in known.pasts] == ["jam", "tea"]


async def test_the_two_are_put_together_once_while_neither_changes(
    sessions: Sessions, histories: Histories
) -> None:
    await sessions.hear([interaction("cake")])
    known = await histories.of(TENANT, "ann")

    before = await sessions.beside(known, TENANT, "s")
    assert await sessions.beside(known, TENANT, "s") is before
    await sessions.hear([interaction("jam", hours_ago=0.1)])
    after = await sessions.beside(known, TENANT, "s")

    assert after.session == {"cake", "jam"}
    other = await histories.of(TENANT, "ben")
    assert (await sessions.beside(other, TENANT, "s")) is not after


async def test_what_happened_more_than_a_day_ago_counts_no_more(
    sessions: Sessions, histories: Histories, clock: FrozenClock
) -> None:
    await sessions.hear([interaction("old", hours_ago=25), interaction("tea", hours_ago=23)])
    await sessions.hear([interaction("cake")])
    assert await items(sessions, histories) == ["cake", "tea"]

    clock.advance(hours=2)
    assert await items(sessions, histories) == ["cake"]
    clock.advance(seconds=LASTING)
    assert await items(sessions, histories) == []


async def test_every_process_finds_a_session_until_it_is_over(
    sessions: Sessions, histories: Histories, documents: Documents, clock: FrozenClock
) -> None:
    for _ in range(2):
        await sessions.record([interaction("cake"), interaction("ale", None)])
    another = Sessions(SessionStore(documents), Catalogue(), clock=clock)
    assert await items(another, histories) == ["cake"]
    await sessions.record([interaction("tea", hours_ago=23)])
    await sessions.record([interaction("scone", "quiet one", hours_ago=23)])

    clock.advance(hours=2)

    assert await sessions.sweep(OTHER_TENANT) == 0
    assert await sessions.sweep(TENANT) == 1
    left = await documents.find("sessions", tenant_id=TENANT)
    assert [document["id"] for document in left] == ["s"]


async def test_histories_of_users_know_nothing_of_sessions(
    workshop: Workshop, bench: Bench
) -> None:
    await workshop.interact("ann", "movie-0", session_id="s")

    async with open_documents(workshop.settings.documents("inference")) as documents:
        [history] = await documents.find("histories", tenant_id=TENANT)
    assert set(history) == {"id", "items"}
    assert history["id"] == "ann"
