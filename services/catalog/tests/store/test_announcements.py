"""The walk of the relay along the table of interactions."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from catalog.domain.interactions import Interaction, announcement
from catalog.store import interactions as store
from catalog.store.announcements import Announcements
from chassis import outbox
from chassis.outbox import Outgoing
from chassis.relay import Relay
from chassis.replay import replay
from chassis.testing import OTHER_TENANT, TENANT, Bench
from contracts.interactions import InteractionRecorded, InteractionType

NOW = datetime(2026, 1, 15, 10, 30, 0, 250, tzinfo=UTC)
Announced = Callable[[], Awaitable[list[InteractionRecorded]]]
PLAIN = Interaction(
    event_id="e",
    user_id="u",
    item_id="i",
    interaction_type=InteractionType.LIKE,
    occurred_at=NOW,
)


async def keep(
    bench: Bench, *interactions: Interaction, tenant_id: str = TENANT, at: datetime = NOW
) -> None:
    async with bench.database.transaction(tenant_id=tenant_id) as tx:
        await store.insert(tx, interactions, tenant_id=tenant_id, recorded_at=at)


@pytest.mark.parametrize(
    "interaction",
    [
        PLAIN,
        PLAIN._replace(value=0.0, source="kafka"),
        PLAIN._replace(value=0.125, session_id="s", request_id="r", source="batch"),
        PLAIN._replace(user_id="ü 'x\u2028", timed=True, metadata='{"a":1}'),
    ],
)
async def test_what_is_told_is_the_announcement_of_what_was_kept(
    bench: Bench, announced: Announced, interaction: Interaction
) -> None:
    await keep(bench, interaction)
    [heard] = await announced()
    assert heard == announcement(interaction, tenant_id=TENANT, sequence=1, recorded_at=NOW)


async def test_records_carry_the_trace_and_the_key(
    bench: Bench, announced: Announced, topics: Any
) -> None:
    await keep(bench, PLAIN._replace(trace="00-1-2-01"), PLAIN._replace(event_id="f"))
    await announced()
    first, second = (each for each in topics.records if each.topic == "interactions.v1")
    assert (first.headers, second.headers) == ({"traceparent": "00-1-2-01"}, {})
    assert first.key == f"{TENANT}:u"


async def test_every_tenants_interactions_leave_once_and_in_order(
    bench: Bench, relay: Relay, announced: Announced
) -> None:
    await keep(bench, *(PLAIN._replace(event_id=f"a{n}") for n in range(700)))
    await keep(bench, PLAIN, tenant_id=OTHER_TENANT)
    assert (await relay.backlog())[0] >= 701
    heard = await announced()
    assert [each.sequence for each in heard] == list(range(1, 702))
    assert heard[-1].tenant_id == OTHER_TENANT
    assert await relay.backlog() == (0, 0.0)


async def test_what_left_can_be_told_again(bench: Bench, announced: Announced) -> None:
    await keep(bench, PLAIN)
    await announced()
    await outbox.replay(bench.database, sources=[Announcements()], as_of=NOW)
    first, again = await announced()
    assert first == again


async def test_what_others_may_have_forgotten_is_not_told_again(
    bench: Bench, announced: Announced
) -> None:
    await keep(bench, PLAIN, at=NOW - timedelta(days=8))
    await keep(bench, PLAIN._replace(event_id="young"), at=NOW - timedelta(days=6))
    await announced()
    await outbox.replay(bench.database, sources=[Announcements()], as_of=NOW)
    assert [each.sequence for each in await announced()] == [1, 2, 2]


async def test_what_was_never_told_is_told_however_old_it_is(
    bench: Bench, announced: Announced
) -> None:
    await keep(bench, PLAIN, PLAIN._replace(event_id="f"))
    await outbox.replay(bench.database, sources=[Announcements()])
    assert [each.sequence for each in await announced()] == [1, 2]


async def test_an_outbox_that_cannot_send_holds_up_no_interactions(
    bench: Bench, topics: Any
) -> None:
    class Choosy:
        """Knows no topic of the outbox."""

        async def send_all(self, records: Sequence[Outgoing]) -> None:
            if any(each.topic != "interactions.v1" for each in records):
                raise ConnectionError("no such topic")
            await topics.send_all(records)

    await keep(bench, PLAIN)
    relay = Relay(bench.database, Choosy(), sources=(Announcements(),))
    with pytest.raises(ConnectionError):
        await relay.sweep()
    assert [each.topic for each in topics.records] == ["interactions.v1"]


async def test_a_service_can_be_told_to_send_everything_again(
    bench: Bench, announced: Announced
) -> None:
    await keep(bench, PLAIN)
    await announced()
    assert (
        await replay(bench.service, backup_of=NOW) == 3
    )  # two default projects and the interaction
    assert len(await announced()) == 2
