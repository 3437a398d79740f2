"""What a service listens to: a topic, a handler, and how the two meet."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple

from aiokafka import ConsumerRecord
from opentelemetry.context import Context
from pydantic import Field, TypeAdapter, ValidationError

from chassis.database import Transaction
from chassis.problems import Invalid
from contracts.envelope import Event
from contracts.moments import FIRST_MOMENT, LAST_MOMENT
from contracts.topics import IngestTopic, Topic, classes, tenant_of

_NO_TIME = "The record's own time must lie between the years 1970 and 3000."

_TRACE = ("traceparent", "tracestate")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?", re.DOTALL)
#: Bytes of a `tracestate` that are read; the standard asks for at least 512.
_LONGEST_TRACESTATE = 4096

Style = Literal["each", "together", "replica", "ingested"]


class IngestedRecord(NamedTuple):
    """A record that a tenant's producer wrote, as it came."""

    tenant_id: str
    topic: str
    partition: int
    offset: int
    #: The record's own time; None where it has none, or none between the years 1970 and 3000.
    timestamp: datetime | None
    value: bytes
    #: Trace context to pass to `tx.emit` for what follows from this record, if it carries one.
    context: Context | None = None

    @property
    def fallback_event_id(self) -> str:
        """Return the id of a record that carries none: its topic, partition and offset."""
        return f"{self.topic}:{self.partition}:{self.offset}"

    def time_of(self, told: datetime | None) -> datetime:
        """Return when a record's event happened: as it tells, else the record's own time.

        Raises:
            Invalid: neither says when.
        """
        moment = told or self.timestamp
        if moment is None:
            raise Invalid(fields={"timestamp": [_NO_TIME]})
        return moment


@dataclass(frozen=True, slots=True)
class Subscription:
    """One consumer. Make it with `each`, `together`, `every_replica` or `ingested`."""

    topic: Topic | IngestTopic
    handler: Callable[..., Awaitable[None]]
    style: Style
    #: Name of the effect; the consumer group is `<service>.<name>`, so it must not change lightly.
    name: str
    #: Event classes that the handler wants; the others on the topic are passed over.
    only: tuple[type[Event], ...] = ()
    #: Whether a replica reads the topic from its beginning, or only what comes from now on.
    from_start: bool = True
    max_records: int = 500

    def parse(self, value: bytes) -> Event | None:
        """Return the event in a record, or None for one that this subscription passes over.

        Raises:
            ValueError: the record cannot be read.
        """
        try:
            event: Event = _reader_of(self.topic).validate_json(value)
        except ValidationError as error:
            kinds = {finding["type"] for finding in error.errors(include_url=False)}
            if kinds <= {"union_tag_invalid"}:
                return None
            raise
        return event if not self.only or isinstance(event, self.only) else None


@cache
def _reader_of(topic: Topic | IngestTopic) -> TypeAdapter[Any]:
    """Return the parser of a topic's events."""
    tagged: Any = Annotated[topic.schema, Field(discriminator="type")]
    return TypeAdapter(tagged if len(classes(topic.schema)) > 1 else topic.schema)


def each(
    topic: Topic,
    handler: Callable[[Any, Transaction], Awaitable[None]],
    *,
    name: str,
    only: tuple[type[Event], ...] = (),
) -> Subscription:
    """Handle events one by one, each in a transaction of its own, once per event id."""
    return Subscription(topic, handler, "each", name, only)


def together(
    topic: Topic,
    handler: Callable[[list[Any], Transaction], Awaitable[None]],
    *,
    name: str,
    only: tuple[type[Event], ...] = (),
    max_records: int = 500,
) -> Subscription:
    """Handle events in batches of one tenant, in one transaction, once per event id."""
    return Subscription(topic, handler, "together", name, only, max_records=max_records)


def every_replica(
    topic: Topic,
    handler: Callable[[list[Any]], Awaitable[None]],
    *,
    name: str,
    only: tuple[type[Event], ...] = (),
    from_start: bool = True,
) -> Subscription:
    """Handle events in every process, for what it holds in memory; the handler must bear repeats.

    With `from_start` the process is ready only once it has read all that was there when it started.
    """
    return Subscription(topic, handler, "replica", name, only, from_start)


def ingested(
    topic: IngestTopic,
    handler: Callable[[list[IngestedRecord], Transaction], Awaitable[None]],
    *,
    name: str,
    max_records: int = 2000,
) -> Subscription:
    """Handle what producers write, in batches of one tenant; the handler guards against repeats."""
    return Subscription(topic, handler, "ingested", name, max_records=max_records)


def ingested_record(record: ConsumerRecord, *, context: Context | None = None) -> IngestedRecord:
    """Return a record of a tenant's producer as its handler gets it."""
    return IngestedRecord(
        tenant_id=tenant_of(record.topic),
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=moment_of(record),
        value=record.value or b"",
        context=context,
    )


def moment_of(record: ConsumerRecord) -> datetime | None:
    """Return a record's time; None where it has none, or none that an event may have."""
    try:
        moment = datetime.fromtimestamp(record.timestamp / 1000, tz=UTC)
    except (OSError, OverflowError, ValueError):  # beyond what a calendar here can hold
        return None
    return moment if FIRST_MOMENT <= moment < LAST_MOMENT else None


def headers_of(record: ConsumerRecord) -> dict[str, str]:
    """Return the headers of a record of ours as text; what is not UTF-8 is replaced."""
    return {name: value.decode(errors="replace") for name, value in record.headers if value}


def trace_of(record: ConsumerRecord) -> dict[str, str]:
    """Return the trace that a record carries: all that is read of headers that tenants write.

    Empty where a header is no trace, as the standard says, or where there are several.
    """
    found = [(name, value) for name, value in record.headers if name in _TRACE]
    said = dict(found)
    parent = said.get("traceparent")
    if parent is None or len(said) < len(found) or not _TRACEPARENT.fullmatch(parent):
        return {}
    state = said.get("tracestate") or b""
    readable = len(state) <= _LONGEST_TRACESTATE and state.isascii()
    return {"traceparent": parent.decode()} | ({"tracestate": state.decode()} if readable else {})
