"""From Kafka records to effects: once per event id, retried, never blocked by a poison record."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any

from aiokafka import ConsumerRecord
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    retry_if_not_exception_type,
    stop_after_attempt,
    stop_never,
    wait_exponential_jitter,
)
from tenacity.stop import stop_base

from chassis import inbox, telemetry
from chassis.away import is_away
from chassis.database import Database
from chassis.dead_letters import is_for
from chassis.metrics import EVENTS, expect_subscription
from chassis.problems import Problem, Unavailable
from chassis.subscriptions import IngestedRecord, Subscription, headers_of, moment_of
from contracts.envelope import Event
from contracts.topics import tenant_of

_ATTEMPTS = 4

DeadLetters = Callable[[Subscription, ConsumerRecord, BaseException], Awaitable[None]]
Parsed = tuple[ConsumerRecord, Event]


class Dispatcher:
    """Applies one subscription's handler to what its consumer read."""

    def __init__(
        self, subscription: Subscription, *, database: Database, service: str, bury: DeadLetters
    ) -> None:
        """Work on one database; `bury` keeps what cannot be handled."""
        self._subscription = subscription
        self._database = database
        self._bury = bury
        self._name = f"{service}.{subscription.name}"
        expect_subscription(self._name)

    async def handle(self, records: Sequence[ConsumerRecord]) -> None:
        """Return once every record has had its effect, was a repeat, or is a dead letter."""
        records = [record for record in records if is_for(record, self._name)]
        style = self._subscription.style
        if style == "ingested":
            await self._in_halves(records, self._ingest)
            return
        parsed = [pair for pair in [await self._parse(record) for record in records] if pair]
        if style == "each":
            for pair in parsed:
                await self._in_halves([pair], self._effect)
        elif parsed:
            await self._in_halves(parsed, self._replica if style == "replica" else self._effect)

    async def _parse(self, record: ConsumerRecord) -> Parsed | None:
        if record.value is None:
            return None
        try:
            event = self._subscription.parse(record.value)
        except ValueError as error:
            await self._give_up(record, error)
            return None
        if event is None:
            EVENTS.labels(self._name, "ignored").inc()
            return None
        return record, event

    async def _in_halves(
        self, batch: Sequence[Any], work: Callable[[Sequence[Any]], Awaitable[None]]
    ) -> None:
        """Work on a batch; when it keeps failing, on its halves, until the poison is alone."""
        try:
            async for attempt in _retrying(alone=len(batch) == 1):
                with attempt:
                    await work(batch)
        except Exception as error:
            if len(batch) == 1:
                entry = batch[0]
                await self._give_up(entry[0] if isinstance(entry, tuple) else entry, error)
                return
            middle = len(batch) // 2
            await self._in_halves(batch[:middle], work)
            await self._in_halves(batch[middle:], work)

    async def _effect(self, batch: Sequence[Parsed]) -> None:
        """Hand the batch's new events to the handler, tenant by tenant, in one transaction."""
        with ExitStack() as spans:
            for record, _event in batch:
                _traced(spans, record, self._name, alone=len(batch) == 1)
            async with self._database.transaction() as tx:
                fresh = await inbox.unseen(
                    await tx.session.connection(),
                    self._database.metadata,
                    subscription=self._subscription.name,
                    ids=list({_guard_of(event) for _record, event in batch}),
                )
                for tenant_id, events in _by_tenant(_once(batch, fresh)):
                    async with tx.scoped(tenant_id):
                        await self._call(events, tx)
        EVENTS.labels(self._name, "handled").inc(len(fresh))
        EVENTS.labels(self._name, "repeated").inc(len(batch) - len(fresh))

    async def _call(self, events: list[Event], tx: Any) -> None:
        if self._subscription.style == "each":
            for event in events:
                await self._subscription.handler(event, tx)
        else:
            await self._subscription.handler(events, tx)

    async def _replica(self, batch: Sequence[Parsed]) -> None:
        with ExitStack() as spans:
            for record, _event in batch:
                _traced(spans, record, self._name, alone=len(batch) == 1)
            await self._subscription.handler([event for _record, event in batch])
        EVENTS.labels(self._name, "handled").inc(len(batch))

    async def _ingest(self, records: Sequence[ConsumerRecord]) -> None:
        with ExitStack() as spans:
            tenants: dict[str, list[IngestedRecord]] = defaultdict(list)
            for record in records:
                context = _traced(spans, record, self._name, alone=False)
                received = _received(record, context)
                tenants[received.tenant_id].append(received)
            async with self._database.transaction() as tx:
                for tenant_id, received_records in sorted(tenants.items()):
                    async with tx.scoped(tenant_id):
                        await self._subscription.handler(received_records, tx)
        EVENTS.labels(self._name, "handled").inc(len(records))

    async def _give_up(self, record: ConsumerRecord, error: BaseException) -> None:
        telemetry.log.error(
            "record %s:%s:%s goes to the dead letters",
            record.topic,
            record.partition,
            record.offset,
            exc_info=error,
        )
        if self._subscription.style == "replica":
            return  # the topic is read again at each start: burying it every time helps nobody
        async for attempt in AsyncRetrying(
            wait=wait_exponential_jitter(multiplier=0.1, max=5, jitter=0.1),
            stop=stop_never,
            retry=retry_if_not_exception_type(AssertionError),
            reraise=True,
        ):
            with attempt:
                await self._bury(self._subscription, record, error)
        EVENTS.labels(self._name, "dead").inc()


def _retrying(*, alone: bool) -> AsyncRetrying:
    """Retry for ever what is away; a lone record that fails otherwise gets a few more chances."""
    limit = _StopUnlessAway(_ATTEMPTS if alone else 1)
    return AsyncRetrying(
        wait=wait_exponential_jitter(multiplier=0.05, max=5, jitter=0.05),
        stop=limit,
        retry=retry_if_exception_type(Exception),
        reraise=True,
    )


class _StopUnlessAway(stop_base):
    """Stop after some attempts, unless the failure says that something outside is away."""

    def __init__(self, attempts: int) -> None:
        self._limit = stop_after_attempt(attempts)

    def __call__(self, retry_state: Any) -> bool:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        if isinstance(error, Problem) and not isinstance(error, Unavailable):
            return True
        # What is away is waited for, for ever, rather than give a good record up.
        return not is_away(error) and self._limit(retry_state)


def _traced(spans: ExitStack, record: ConsumerRecord, name: str, *, alone: bool) -> Any:
    """Open a consumer span under the record's own trace, if it carries one; return its context.

    A record without a trace gets none: high volumes cost nothing until somebody asks for a trace.
    """
    headers = headers_of(record)
    if "traceparent" not in headers:
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
    for _record, event in batch:
        guard = _guard_of(event)
        if guard in left:
            left.discard(guard)
            yield event


def _guard_of(event: Event) -> str:
    """Return what the inbox remembers an event by: two tenants may choose the same event id."""
    return f"{event.tenant_id}:{event.event_id}"


def _by_tenant(events: Iterable[Event]) -> list[tuple[str, list[Event]]]:
    # In one order everywhere, so that two replicas never wait for each other's tenant.
    tenants: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        tenants[event.tenant_id].append(event)
    return sorted(tenants.items())


def _received(record: ConsumerRecord, context: Any) -> IngestedRecord:
    return IngestedRecord(
        tenant_id=tenant_of(record.topic),
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=moment_of(record),
        value=record.value or b"",
        headers=headers_of(record),
        context=context,
    )
