"""From Kafka records to effects: once per event id, retried, never blocked by a poison record."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple, Protocol, TypeVar

from aiokafka import ConsumerRecord
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from chassis import inbox, rejects, telemetry
from chassis.batches import Unread
from chassis.database import OF_THE_END, Database, Transaction
from chassis.dead_letters import is_for
from chassis.metrics import EVENTS, UNREAD, expect_subscription
from chassis.patience import patiently
from chassis.problems import Malformed, Problem, TooLarge
from chassis.retrying import retrying
from chassis.subscriptions import IngestedRecord, Subscription, ingested_record, trace_of
from contracts.envelope import Event
from contracts.topics import MAX_RECORD_BYTES, tenant_of

DeadLetters = Callable[[Subscription, ConsumerRecord, BaseException], Awaitable[None]]


class Entry(Protocol):
    """What is worked on: something that was made of a record."""

    @property
    def record(self) -> ConsumerRecord:
        """Return the record itself."""
        ...


class Raw(NamedTuple):
    """A record of a producer, which its handler reads."""

    record: ConsumerRecord


class Parsed(NamedTuple):
    """A record of ours and the event in it."""

    record: ConsumerRecord
    event: Event


E = TypeVar("E", bound=Entry)


class Dispatcher:
    """Applies one subscription's handler to what its consumer read."""

    def __init__(
        self, subscription: Subscription, *, database: Database, service: str, bury: DeadLetters
    ) -> None:
        """Work on one database; `bury` keeps what cannot be handled."""
        self._subscription = subscription
        self._database = database
        self._bury = bury
        #: `<service>.<subscription>`, which is the name of the consumer group, too.
        self.name = f"{service}.{subscription.name}"
        expect_subscription(self.name)

    async def handle(self, records: Sequence[ConsumerRecord]) -> None:
        """Return once every record has had its effect, was a repeat, or is a dead letter."""
        records = [record for record in records if is_for(record, self.name)]
        style = self._subscription.style
        if style == "ingested":
            raw = [Raw(record) for record in records if not self._is_late(tenant_of(record.topic))]
            await self._in_halves(raw, self._ingest)
            return
        parsed = [each for each in [await self._parse(record) for record in records] if each]
        if style == "each":
            for each in parsed:
                await self._in_halves([each], self._effect)
        elif parsed:
            await self._in_halves(parsed, self._replica if style == "replica" else self._effect)

    async def _parse(self, record: ConsumerRecord) -> Parsed | None:
        if record.value is None:
            return None
        try:
            if isinstance(record.value, Unread):
                UNREAD.labels(self.name).inc()
                raise ValueError(record.value.why)
            event = self._subscription.parse(record.value)
        except Exception as error:
            await self._give_up(record, error)
            return None
        if event is None or self._is_late(event.tenant_id, event):
            EVENTS.labels(self.name, "ignored").inc()
            return None
        return Parsed(record, event)

    def _is_late(self, tenant_id: str, event: Event | None = None) -> bool:
        """Tell whether a fact is one of a deleted tenant, and not of its end."""
        return tenant_id in self._database.deleted_tenants and not isinstance(event, OF_THE_END)

    async def _in_halves(
        self, batch: Sequence[E], work: Callable[[Sequence[E]], Awaitable[None]]
    ) -> None:
        """Work on a batch; when it keeps failing, on its halves, until the poison is alone."""
        try:
            async for attempt in retrying(alone=len(batch) == 1):
                with attempt:
                    await work(batch)
        except Exception as error:
            if len(batch) == 1:
                await self._give_up(batch[0].record, error)
                return
            middle = len(batch) // 2
            await self._in_halves(batch[:middle], work)
            await self._in_halves(batch[middle:], work)

    async def _effect(self, batch: Sequence[Parsed]) -> None:
        """Hand the batch's new events to the handler, tenant by tenant, in one transaction."""
        with ExitStack() as spans:
            for each in batch:
                _traced(spans, each.record, self.name, alone=len(batch) == 1)
            async with self._database.transaction() as tx:
                fresh = await inbox.unseen(
                    await tx.session.connection(),
                    self._database.metadata,
                    subscription=self._subscription.name,
                    ids=list({_guard_of(each.event) for each in batch}),
                    at=tx.clock(),
                )
                for tenant_id, events in _by_tenant(_once(batch, fresh)):
                    async with tx.scoped(tenant_id):
                        await self._call(events, tx)
        EVENTS.labels(self.name, "handled").inc(len(fresh))
        EVENTS.labels(self.name, "repeated").inc(len(batch) - len(fresh))

    async def _call(self, events: list[Event], tx: Transaction) -> None:
        if self._subscription.style == "each":
            for event in events:
                await self._subscription.handler(event, tx)
        else:
            await self._subscription.handler(events, tx)

    async def _replica(self, batch: Sequence[Parsed]) -> None:
        with ExitStack() as spans:
            for each in batch:
                _traced(spans, each.record, self.name, alone=len(batch) == 1)
            await self._subscription.handler([each.event for each in batch])
        EVENTS.labels(self.name, "handled").inc(len(batch))

    async def _ingest(self, batch: Sequence[Raw]) -> None:
        with ExitStack() as spans:
            tenants: dict[str, list[IngestedRecord]] = defaultdict(list)
            refused: dict[str, list[rejects.Refused]] = defaultdict(list)
            for each in batch:
                context = _traced(spans, each.record, self.name, alone=False)
                received = ingested_record(each.record, context=context)
                unread = _refusal_of(each.record)
                if unread is None:
                    tenants[received.tenant_id].append(received)
                else:
                    refused[received.tenant_id].append((received, unread))
            async with self._database.transaction() as tx:
                for tenant_id in sorted(tenants.keys() | refused.keys()):
                    async with tx.scoped(tenant_id):
                        await self._take(tenants[tenant_id], refused[tenant_id], tx)
        EVENTS.labels(self.name, "handled").inc(len(batch))
        UNREAD.labels(self.name).inc(sum(map(len, refused.values())))

    async def _take(
        self, received: list[IngestedRecord], refused: list[rejects.Refused], tx: Transaction
    ) -> None:
        """Hand one tenant's records to the handler, and send back what cannot be read at all."""
        if received:
            await self._subscription.handler(received, tx)
        metadata = self._database.metadata
        await rejects.tell(tx, metadata, refused, subscription=f"{self._subscription.name}.unread")

    async def _give_up(self, record: ConsumerRecord, error: BaseException) -> None:
        telemetry.log.error(
            "record %s:%s:%s is given up",
            record.topic,
            record.partition,
            record.offset,
            exc_info=error,
        )
        if self._subscription.style == "replica":
            return  # the topic is read again at each start: burying it every time helps nobody
        async for attempt in patiently(f"{self.name}: a record cannot be buried", longest=5):
            with attempt:
                await self._bury(self._subscription, record, error)
        EVENTS.labels(self.name, "dead").inc()


def _refusal_of(record: ConsumerRecord) -> Problem | None:
    """Return why nobody need look at what a record says: it cannot be read, or has no end."""
    if isinstance(record.value, Unread):
        return Malformed(record.value.why)
    size = len(record.value or b"")
    if size > MAX_RECORD_BYTES:
        return TooLarge(f"The record has {size} bytes; it may have {MAX_RECORD_BYTES}.")
    return None


def _traced(spans: ExitStack, record: ConsumerRecord, name: str, *, alone: bool) -> Any:
    """Open a consumer span under the record's own trace, if it carries one; return its context.

    A record without a trace gets none: high volumes cost nothing until somebody asks for a trace.
    """
    headers = trace_of(record)
    if not headers:
        return None
    parent = telemetry.extract(headers)
    if alone:
        spans.enter_context(
            telemetry.span(
                f"{name} handle", kind=SpanKind.CONSUMER, parent=parent, topic=record.topic
            )
        )
        return trace.set_span_in_context(trace.get_current_span())
    opened = telemetry.open_span(f"{name} handle", parent=parent, topic=record.topic)
    spans.callback(opened.end)
    return trace.set_span_in_context(opened)


def _once(batch: Sequence[Parsed], fresh: set[str]) -> Iterable[Event]:
    left = set(fresh)
    for each in batch:
        guard = _guard_of(each.event)
        if guard in left:
            left.discard(guard)
            yield each.event


def _guard_of(event: Event) -> str:
    """Return what the inbox remembers an event by: two tenants may choose the same event id."""
    return f"{event.tenant_id}:{event.event_id}"


def _by_tenant(events: Iterable[Event]) -> list[tuple[str, list[Event]]]:
    # In one order everywhere, so that two replicas never wait for each other's tenant.
    tenants: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        tenants[event.tenant_id].append(event)
    return sorted(tenants.items())
