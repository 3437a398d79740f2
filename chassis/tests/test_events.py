"""Events leave with their commit, arrive once, and a poison record stops nobody."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiokafka import ConsumerRecord
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from chassis import outbox
from chassis.clock import now
from chassis.dispatch import Dispatcher
from chassis.outbox import Outgoing
from chassis.relay import Relay
from chassis.subscriptions import Subscription, each
from chassis.tenancy import TenantLeak
from chassis.testing import ADMIN, OTHER_TENANT, TENANT, Bench, raw_record, record_of
from chassis.tests.shop import Thing
from contracts.interactions import InteractionRecorded, InteractionType
from contracts.tenants import PersonErased, TenantRegistered
from contracts.topics import TENANTS


def registration(name: str = "shop", tenant_id: str = TENANT) -> TenantRegistered:
    return TenantRegistered(
        tenant_id=tenant_id, occurred_at=datetime.now(UTC), name=name, owner_id=1
    )


def interaction(item_id: str, tenant_id: str = TENANT) -> InteractionRecorded:
    return InteractionRecorded(
        tenant_id=tenant_id,
        occurred_at=datetime.now(UTC),
        sequence=1,
        interaction_id="i",
        user_id="u",
        item_id=item_id,
        interaction_type=InteractionType.VIEW,
        weight=0.1,
        source="http",
        centiunits=100,
    )


async def names(bench: Bench, tenant_id: str | None = TENANT) -> list[str]:
    async with bench.database.transaction(tenant_id=tenant_id, write=False) as tx:
        return list(await tx.session.scalars(select(Thing.name).order_by(Thing.id)))


class Kafka:
    """Takes what the relay sends; can be away."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.away = False

    async def send_all(self, records: Sequence[Outgoing]) -> None:
        if self.away:
            raise ConnectionError("no broker")
        self.sent += records


async def test_an_event_leaves_only_with_its_commit(bench: Bench) -> None:
    async def fail_after_emitting() -> None:
        async with bench.database.transaction(ADMIN) as tx:
            tx.emit(registration())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail_after_emitting()
    assert await bench.emitted() == []
    async with bench.database.transaction(ADMIN) as tx:
        tx.emit(registration("kept"))
    assert [event.name for event in await bench.emitted(TenantRegistered)] == ["kept"]


async def test_the_relay_sends_once_and_in_order(bench: Bench) -> None:
    async with bench.database.transaction(ADMIN) as tx:
        for number in range(5):
            tx.emit(registration(f"n{number}"))
    kafka = Kafka()
    relay = Relay(bench.database, kafka, batch=2)
    while await relay.sweep():
        pass
    assert [TenantRegistered.model_validate_json(r.value).name for r in kafka.sent] == [
        f"n{number}" for number in range(5)
    ]
    assert await relay.backlog() == (0, 0.0)


async def test_what_kafka_did_not_take_waits(bench: Bench) -> None:
    async with bench.database.transaction(ADMIN) as tx:
        tx.emit(registration())
    kafka = Kafka()
    kafka.away = True
    relay = Relay(bench.database, kafka)
    with pytest.raises(ConnectionError):
        await relay.sweep()
    assert (await relay.backlog())[0] == 1
    kafka.away = False
    assert await relay.sweep() == 1


async def test_a_lost_kafka_can_be_filled_again(bench: Bench) -> None:
    async with bench.database.transaction(ADMIN) as tx:
        tx.emit(registration())
    kafka = Kafka()
    relay = Relay(bench.database, kafka)
    await relay.sweep()
    assert await outbox.replay(bench.database) == 1
    await relay.sweep()
    assert [record.event_id for record in kafka.sent] == [kafka.sent[0].event_id] * 2


async def test_the_newest_of_a_key_on_a_compacted_topic_is_never_forgotten(bench: Bench) -> None:
    async with bench.database.transaction(ADMIN) as tx:
        for name in ("old", "new"):
            tx.emit(registration(name))
        tx.emit(interaction("x"))
    relay = Relay(bench.database, Kafka())
    await relay.sweep()
    await outbox.prune(bench.database, keep=timedelta(seconds=-1))
    assert [event.name for event in await bench.emitted()] == ["new"]


async def test_a_repeated_event_has_no_second_effect(bench: Bench) -> None:
    event = registration()
    await bench.deliver(event, event)
    await bench.deliver(event)
    assert await names(bench) == ["shop"]


async def test_events_of_several_tenants_stay_apart(bench: Bench) -> None:
    await bench.deliver(interaction("a"), interaction("b", OTHER_TENANT), interaction("c"))
    assert await names(bench) == ["a", "c"]
    assert await names(bench, OTHER_TENANT) == ["b"]


async def test_a_class_that_nobody_asked_for_is_passed_over(bench: Bench) -> None:
    gone = PersonErased(tenant_id=TENANT, occurred_at=now(), person_uid="p")
    await bench.deliver(gone)
    unknown = raw_record("tenants.v1", b'{"type": "InventedLater", "x": 1}', 0)
    await bench.dispatcher(bench.service.subscriptions[0]).handle([unknown])
    assert await names(bench) == []


@pytest.fixture
def graves() -> list[bytes]:
    return []


def dispatcher(bench: Bench, name: str, graves: list[bytes]) -> Dispatcher:
    async def bury(
        _subscription: Subscription, record: ConsumerRecord, _error: BaseException
    ) -> None:
        graves.append(record.value)

    chosen = next(s for s in bench.service.subscriptions if s.name == name)
    return Dispatcher(chosen, database=bench.database, service="shop", bury=bury)


async def test_an_unreadable_record_goes_to_the_dead_letters(
    bench: Bench, graves: list[bytes]
) -> None:
    records = [raw_record("tenants.v1", b"{broken", 0), record_of(registration(), 1)]
    await dispatcher(bench, "tenants", graves).handle(records)
    assert graves == [b"{broken"]
    assert await names(bench) == ["shop"]


async def test_a_poison_record_does_not_take_its_batch_with_it(
    bench: Bench, graves: list[bytes]
) -> None:
    events = [interaction(item) for item in ("a", "b", "poison", "c", "d")]
    records = [record_of(event, offset) for offset, event in enumerate(events)]
    await dispatcher(bench, "interactions", graves).handle(records)
    assert [InteractionRecorded.model_validate_json(g).item_id for g in graves] == ["poison"]
    assert sorted(await names(bench)) == ["a", "b", "c", "d"]


async def test_a_record_waits_for_a_database_that_is_away(
    bench: Bench, graves: list[bytes], tmp_path: Path
) -> None:
    failures = [OperationalError("select", {}, Exception("away")) for _ in range(6)]

    async def sometimes(event: TenantRegistered, tx: object) -> None:
        if failures:
            raise failures.pop()

    async def bury(_s: Subscription, record: ConsumerRecord, _e: BaseException) -> None:
        graves.append(record.value)

    patient = Dispatcher(
        each(TENANTS, sometimes, name="patient"),
        database=bench.database,
        service="shop",
        bury=bury,
    )
    await patient.handle([record_of(registration())])
    assert (failures, graves) == ([], [])


async def test_a_query_without_a_tenant_is_a_leak(bench: Bench) -> None:
    async with bench.database.transaction(write=False) as tx:
        with pytest.raises(TenantLeak):
            await tx.session.scalars(select(Thing))


async def test_a_row_of_another_tenant_cannot_be_added(bench: Bench) -> None:
    async with bench.database.transaction(ADMIN) as tx:
        tx.session.add(Thing(name="x", tenant_id=OTHER_TENANT))
        with pytest.raises(TenantLeak):
            await tx.session.flush()
        tx.session.expunge_all()
