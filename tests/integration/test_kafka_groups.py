"""Consumers of one service in several processes: shared partitions, named members, no halt."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient
from fastapi import FastAPI

from chassis import topics
from chassis.app import Service, create_app
from chassis.broker import Consumers
from chassis.database import Transaction
from chassis.subscriptions import IngestedRecord, ingested
from chassis.testing import VERIFIER
from chassis.tests import shop
from contracts.topics import INGEST_INTERACTIONS

PARTITIONS = set(range(INGEST_INTERACTIONS.partitions))


@dataclass
class Group:
    """One service's consumers of what producers write, and what they have heard together."""

    kafka: str
    folder: Path
    name: str = field(default_factory=lambda: f"shop{uuid4().hex[:6]}")
    heard: list[bytes] = field(default_factory=list)
    #: Those of our own tenants, the newest last; the pattern covers all others' as well.
    topics: list[str] = field(default_factory=list)

    async def hear(self, records: Sequence[IngestedRecord], tx: Transaction) -> None:
        self.heard += [record.value for record in records if record.topic in self.topics]

    @asynccontextmanager
    async def member(self, replica: str | None) -> AsyncIterator[FastAPI]:
        """Run one process's worth of the service."""
        await topics.ensure(self.kafka, topics.platform_topics(1))
        folder = self.folder / uuid4().hex
        folder.mkdir()
        service: Service = shop.build(folder)
        settings = {"kafka_url": self.kafka, "replica": replica}
        service = replace(
            service,
            name=self.name,
            settings=service.settings.model_copy(update=settings),
            verifier=VERIFIER,
            subscriptions=[ingested(INGEST_INTERACTIONS, self.hear, name="raw")],
        )
        await service.database.create_all()
        app = create_app(service)
        async with app.router.lifespan_context(app):
            consumers: Consumers = app.state.consumers
            async with asyncio.timeout(60):
                while not consumers.started:  # noqa: ASYNC110 - there is nothing to be told by
                    await asyncio.sleep(0.02)
            yield app

    async def _described(self) -> Any:
        admin = AdminClient({"bootstrap.servers": self.kafka})
        group = f"{self.name}.raw"
        return await asyncio.to_thread(
            lambda: admin.describe_consumer_groups([group])[group].result(20)
        )

    async def members(self) -> dict[str, set[tuple[str, int]]]:
        """Return the partitions of each member, of all tenants' topics."""
        return {
            member.group_instance_id or member.member_id: {
                (each.topic, each.partition) for each in member.assignment.topic_partitions
            }
            for member in (await self._described()).members
        }

    async def own_partitions(self) -> dict[str, list[int]]:
        """Return the partitions of our newest tenant's topic that each member has."""
        return {
            name: [partition for topic, partition in held if topic == self.topics[-1]]
            for name, held in (await self.members()).items()
        }

    async def is_rebalancing(self) -> bool:
        """Tell whether the brokers wait for members to join anew."""
        return bool((await self._described()).state == ConsumerGroupState.PREPARING_REBALANCING)

    async def open(self) -> None:
        """Make a new tenant's topics."""
        tenant_id = str(uuid4())
        await topics.ensure_tenant(self.kafka, tenant_id)
        self.topics.append(INGEST_INTERACTIONS.of(tenant_id))

    async def say(self, *words: bytes, partitions: Sequence[int] = tuple(PARTITIONS)) -> None:
        """Write records, one after the other to each partition."""
        async with AIOKafkaProducer(bootstrap_servers=self.kafka) as producer:
            for word, partition in zip(words, cycle(partitions), strict=False):
                await producer.send_and_wait(self.topics[-1], word, partition=partition)

    async def until_heard(self, *words: bytes) -> None:
        async with asyncio.timeout(60):
            while not set(words) <= set(self.heard):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)

    async def until_rebalancing(self) -> None:
        async with asyncio.timeout(60):
            while not await self.is_rebalancing():  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.1)

    async def until_shared(self, *names: str, by: int = 2) -> None:
        """Wait until so many members, the named ones among them, share all partitions."""
        async with asyncio.timeout(60):
            while not self._is_shared(await self.members(), names, by):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.2)

    def _is_shared(
        self, members: dict[str, set[tuple[str, int]]], names: Sequence[str], by: int
    ) -> bool:
        held = list(members.values())
        own = {(self.topics[-1], number) for number in PARTITIONS}
        disjoint = sum(map(len, held)) == len(set().union(*held))
        known = all(name in members for name in names)
        return known and len(held) == by and all(held) and disjoint and own <= set().union(*held)


@contextmanager
def hesitating(app: FastAPI) -> Iterator[None]:
    """Have a process join its group anew only after the block, as one that is busy does."""
    consumers: Consumers = app.state.consumers
    (listener,) = consumers._of_all_tenants()
    coordinator = listener._subscriber.consumer._coordinator
    may_join, join = asyncio.Event(), coordinator._do_rejoin_group

    async def join_late(*given: Any) -> Any:
        await may_join.wait()
        return await join(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coordinator, "_do_rejoin_group", join_late)
        try:
            yield
        finally:
            may_join.set()


@pytest.fixture
async def group(kafka: str, tmp_path: Path) -> Group:
    """Return the consumers of a service that nobody runs yet, and a tenant's topic for them."""
    group = Group(kafka, tmp_path)
    await group.open()
    return group


async def test_a_second_process_takes_its_share_and_what_it_leaves_is_read_on(
    group: Group,
) -> None:
    async with group.member(None):
        await group.say(b"1", b"2", b"3")
        await group.until_heard(b"1", b"2", b"3")
        async with group.member(None):
            await group.until_shared()
            await group.say(b"4", b"5", b"6")
            await group.until_heard(b"4", b"5", b"6")
        await group.say(b"7", b"8", b"9")
        await group.until_heard(b"7", b"8", b"9")
    assert sorted(set(group.heard)) == [b"%d" % number for number in range(1, 10)]


async def test_what_is_read_is_read_on_while_the_group_rebalances(group: Group) -> None:
    names = [f"{group.name}-{number}" for number in (1, 2, 3)]
    async with AsyncExitStack() as stack:
        apps = {
            names[0]: await stack.enter_async_context(group.member("1")),
            names[1]: await stack.enter_async_context(group.member("2")),
        }
        await group.until_shared(*apps)
        held = await group.own_partitions()
        # Among all tenants' topics one of them may have none of this one's partitions.
        reader = max(apps, key=lambda name: len(held[name]))
        [other] = set(apps) - {reader}
        words = [b"%d" % number for number in range(10)]
        with hesitating(apps[other]):
            third = asyncio.create_task(stack.enter_async_context(group.member("3")))
            await group.until_rebalancing()
            await group.say(*words, partitions=held[reader])
            await group.until_heard(*words)
            assert await group.is_rebalancing()
        await third
        await group.until_shared(*names, by=3)
        await group.say(b"a", b"b", b"c")
        await group.until_heard(b"a", b"b", b"c")
    assert sorted(group.heard) == sorted([*words, b"a", b"b", b"c"])


async def test_a_named_member_keeps_its_partitions_while_it_starts_again(group: Group) -> None:
    one, two = f"{group.name}-1", f"{group.name}-2"
    async with group.member("1"), AsyncExitStack() as second:
        await second.enter_async_context(group.member("2"))
        await group.until_shared(one, two)
        before = await group.members()
        await second.aclose()
        assert await group.members() == before
        await group.say(b"1", b"2", b"3")
        await second.enter_async_context(group.member("2"))
        await group.until_heard(b"1", b"2", b"3")
        assert await group.members() == before


async def test_a_named_member_that_starts_again_notices_a_new_tenants_topic(group: Group) -> None:
    async with group.member("1"):
        await group.say(b"1")
        await group.until_heard(b"1")
    async with group.member("1"):
        await group.open()
        await group.say(b"2", b"3", b"4")
        await group.until_heard(b"2", b"3", b"4")
    assert sorted(set(group.heard)) == [b"1", b"2", b"3", b"4"]


async def test_groups_of_one_process_do_not_mix_their_partitions(
    kafka: str, tmp_path: Path
) -> None:
    groups = [Group(kafka, tmp_path), Group(kafka, tmp_path)]
    async with AsyncExitStack() as stack:
        for group in groups:
            await group.open()
            await stack.enter_async_context(group.member("1"))
        for group in groups:
            await group.say(b"1", b"2", b"3")
            await group.until_heard(b"1", b"2", b"3")
    assert [sorted(set(group.heard)) for group in groups] == [[b"1", b"2", b"3"]] * 2
