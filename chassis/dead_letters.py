"""Records that could not be handled: `python -m chassis.dead_letters list | redrive <topic> …`.

A redrive writes a copy into the same `<topic>.dead`, addressed to the subscription that failed. The
consumers of `<topic>` listen there too, each to what is addressed to it, so nobody else sees the
record again and no compacted topic gets an old record as its newest. The copy names its original:
that is how a second redrive knows of the first.
"""

import argparse
import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError

from chassis import batches
from chassis.clock import now
from chassis.cluster import Cluster
from chassis.kafka import MAX_REQUEST_BYTES, OutboxProducer
from chassis.outbox import Outgoing
from chassis.remembering import REPLAYED
from chassis.settings import Settings
from chassis.subscriptions import headers_of, moment_of
from contracts.topics import INGEST_REJECTED, TOPICS, tenant_of

batches.take_over()
#: Subscription, `<service>.<name>`, that a copy is for, and the `partition:offset` it is a copy of.
FOR = "millrace-redrive-for"
ORIGINAL = "millrace-redrive-of"
_DEAD = ".dead"
_REJECTED = re.compile(INGEST_REJECTED.pattern)
#: Seconds that a broker gets to hand out the next records, and milliseconds of one look.
_PATIENCE = 10
_WAIT_MS = 250
_COLUMNS = ("topic", "partition", "offset", "when", "event", "tenant", "subscription", "state")


class CannotRedrive(Exception):
    """What was asked for cannot be put back; the text says why."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record of `<topic>.dead`, or of a tenant's rejects."""

    topic: str
    partition: int
    offset: int
    when: str
    event: str
    tenant: str
    #: `<service>.<name>` that failed; empty where none did, as with a refused model.
    subscription: str
    error: str
    source: str
    #: `waiting`, `redriven`, or `kept` where no subscription could take it.
    state: str
    record: ConsumerRecord

    def to_dict(self) -> dict[str, Any]:
        """Return what operators read of it, the record's own content left out."""
        names = (each.name for each in fields(self))
        return {name: getattr(self, name) for name in names if name != "record"}


def is_for(record: ConsumerRecord, subscription: str) -> bool:
    """Tell whether a subscription has to look at a record: of dead letters, only at its own."""
    if not record.topic.endswith(_DEAD):
        return True
    return headers_of(record).get(FOR) == subscription


def source_of(record: ConsumerRecord) -> str:
    """Return, as JSON, where a record that is buried first stood, however often it was redriven."""
    place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    earlier = headers_of(record).get("millrace-source") if record.topic.endswith(_DEAD) else None
    return earlier or json.dumps(place)


def headers_to_bury(record: ConsumerRecord) -> dict[str, str]:
    """Return a record's headers without an address: buried again, it waits for nobody."""
    return {name: text for name, text in _copied(record).items() if name not in (FOR, ORIGINAL)}


def as_sent(written: bytes | None) -> str:
    """Return bytes as text from which the producer makes the same bytes again."""
    return (written or b"").decode(errors="surrogateescape")


def _copied(record: ConsumerRecord) -> dict[str, str]:
    """Return the headers that a copy of a record has: as they are, if their names are text."""
    return {
        name: as_sent(value) for name, value in record.headers if value and "\ufffd" not in name
    }


async def letters(cluster: Cluster, topics: Sequence[str]) -> list[DeadLetter]:
    """Return what lies in dead letter topics (or tenants' rejects), oldest first."""
    present = await _present(cluster)
    async with _reader(cluster) as consumer:
        records = [
            record for topic in topics async for record in _whole(consumer, present.get(topic, []))
        ]
    redriven = {
        (record.topic, headers[ORIGINAL])
        for record in records
        if ORIGINAL in (headers := headers_of(record))
    }
    return [
        _letter(record, redriven=(record.topic, f"{record.partition}:{record.offset}") in redriven)
        for record in records
        if ORIGINAL not in headers_of(record)
    ]


async def rejects(cluster: Cluster) -> list[str]:
    """Return the names of all tenants' topics of rejects."""
    return sorted(name for name in await _present(cluster) if _REJECTED.match(name))


async def redrive(
    cluster: Cluster, topic: str, *, offsets: Iterable[int] | None = None, again: bool = False
) -> list[DeadLetter]:
    """Put dead letters of a topic back, each for the subscription that failed; return which.

    Without `offsets` all that wait are taken. One that was redriven before is refused unless it is
    wanted `again`: where its effect came about meanwhile, the inbox makes it a no-op, for as long
    as every inbox remembers.

    Raises:
        CannotRedrive: an offset names no dead letter, one that nobody could take, or one that may
            have had its effect so long ago that nobody would know.
    """
    found = await letters(cluster, [dead_topic(topic)])
    chosen = (
        [letter for letter in found if letter.state == "waiting"]
        if offsets is None
        else [_chosen(found, offset, again=again) for offset in offsets]
    )
    producer = OutboxProducer(cluster)
    try:
        await producer.send_all([_copy(letter) for letter in chosen])
    finally:
        await producer.stop()
    return chosen


def dead_topic(name: str) -> str:
    """Return the name of a platform topic's dead letters; `<topic>` and `<topic>.dead` both do.

    Raises:
        CannotRedrive: it is no topic of the platform.
    """
    found = [topic.dead for topic in TOPICS if name in (topic.name, topic.dead)]
    if found:
        return found[0]
    if name.startswith("ingest."):
        raise CannotRedrive(f"What is in {name} is its tenant's, who sends it again when mended.")
    known = ", ".join(topic.name for topic in TOPICS)
    raise CannotRedrive(f"There is no topic {name!r}; there are {known}.")


def _chosen(found: Sequence[DeadLetter], offset: int, *, again: bool) -> DeadLetter:
    for letter in found:
        if letter.offset != offset:
            continue
        if letter.state == "kept":
            raise CannotRedrive(f"No subscription failed at {offset}; it is kept for reading.")
        if letter.state == "redriven" and not again:
            raise CannotRedrive(f"{offset} was redriven before; say again=1 to do it once more.")
        if letter.state == "redriven" and _is_forgotten(letter):
            raise CannotRedrive(
                f"{offset} was redriven before, and is older than {REPLAYED.days} days: who has "
                "had it may not know it any more, and count it twice."
            )
        return letter
    raise CannotRedrive(f"There is no dead letter at {offset}.")


def _is_forgotten(letter: DeadLetter) -> bool:
    """Tell whether an inbox may have forgotten what followed from a letter."""
    try:
        return datetime.fromisoformat(letter.when) < now() - REPLAYED
    except (TypeError, ValueError):
        return True  # who knows when it was


def _copy(letter: DeadLetter) -> Outgoing:
    headers = _copied(letter.record)
    return Outgoing(
        topic=letter.topic,
        key=as_sent(letter.record.key),
        value=letter.record.value or b"",
        event_id=headers.get("millrace-event-id", ""),
        headers={
            **headers,
            FOR: letter.subscription,
            ORIGINAL: f"{letter.partition}:{letter.offset}",
        },
    )


@asynccontextmanager
async def _reader(cluster: Cluster) -> AsyncIterator[AIOKafkaConsumer]:
    # Without a group: nothing is committed, so reading leaves no trace and needs no further right.
    consumer = AIOKafkaConsumer(
        **cluster.client(),
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        max_partition_fetch_bytes=MAX_REQUEST_BYTES,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def _present(cluster: Cluster) -> dict[str, list[TopicPartition]]:
    """Return the partitions of every topic that there is."""
    admin = AIOKafkaAdminClient(**cluster.client())
    await admin.start()
    try:
        described = await admin.describe_topics()
    finally:
        await admin.close()
    return {
        topic["topic"]: [
            TopicPartition(topic["topic"], each["partition"]) for each in topic["partitions"]
        ]
        for topic in described
    }


async def _whole(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]
) -> AsyncIterator[ConsumerRecord]:
    """Read the partitions of a topic from their beginning to what is their end now."""
    if not partitions:
        return
    consumer.assign(partitions)
    ends = await consumer.end_offsets(partitions)
    places = dict(await consumer.beginning_offsets(partitions))
    for partition, start in places.items():
        # Said in so many words: an answer to "where does it end", under way since the assignment,
        # would be taken for the one to "where does it begin".
        consumer.seek(partition, start)
    read_on = time.monotonic()
    while left := [each for each in partitions if places[each] < ends[each]]:
        for batch in (await consumer.getmany(*left, timeout_ms=_WAIT_MS)).values():
            for record in batch:
                yield record
        # What a transaction took back is passed over without a record.
        moved = {each: await consumer.position(each) for each in partitions}
        if moved != places:
            places, read_on = moved, time.monotonic()
        elif time.monotonic() - read_on > _PATIENCE:
            raise TimeoutError(f"{partitions[0].topic} could not be read to its end")


def _letter(record: ConsumerRecord, *, redriven: bool) -> DeadLetter:
    headers = headers_of(record)
    rejected = _REJECTED.match(record.topic) is not None
    body = _members(record.value)
    subscription = headers.get("millrace-subscription", "")
    source = headers.get("millrace-source") or json.dumps(body.get("source") or {})
    return DeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        when=headers.get("millrace-buried-at") or _when(record),
        event=headers.get("millrace-event-id") or str(body.get("event_id", "")),
        tenant=tenant_of(record.topic) if rejected else str(body.get("tenant_id", "")),
        subscription=subscription,
        error=headers.get("millrace-error") or _reason(body),
        source=source,
        state="kept" if rejected or not subscription else "redriven" if redriven else "waiting",
        record=record,
    )


def _when(record: ConsumerRecord) -> str:
    moment = moment_of(record)
    return "" if moment is None else moment.isoformat()


def _reason(body: dict[str, Any]) -> str:
    """Return why a record without an error lies here: a tenant's reject or a refused model."""
    metrics = body.get("metrics")
    refused = metrics.get("refused") if isinstance(metrics, dict) else None
    return str(body.get("message") or refused or "")


def _members(value: bytes | None) -> dict[str, Any]:
    try:
        found = json.loads(value or b"")
    except (RecursionError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _table(found: Sequence[DeadLetter]) -> str:
    rows = [_COLUMNS, *([_shown(getattr(each, name)) for name in _COLUMNS] for each in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    reasons = ["", *(f"    {_shown(' '.join(each.error.split()))}" for each in found)]
    return "\n".join(line for pair in zip(lines, reasons, strict=True) for line in pair if line)


def _shown(value: Any) -> str:
    """Return text that fits into a line of a terminal, whatever a record says."""
    text = str(value)
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


async def _list(cluster: Cluster, topic: str | None, *, as_json: bool) -> str:
    if topic is None:
        names = [each.dead for each in TOPICS] + await rejects(cluster)
    elif topic.startswith("ingest."):
        names = [topic]
    else:
        names = [dead_topic(topic)]
    found = await letters(cluster, names)
    if as_json:
        return "\n".join(json.dumps(each.to_dict()) for each in found)
    return _table(found) if found else "There are no dead letters."


async def _redrive(cluster: Cluster, chosen: argparse.Namespace) -> str:
    offsets = None if chosen.all else [int(offset) for offset in chosen.offset]
    done = await redrive(cluster, chosen.topic, offsets=offsets, again=chosen.again)
    lines = [f"{each.topic} {each.partition}:{each.offset} → {each.subscription}" for each in done]
    return "\n".join([*lines, f"{len(done)} redriven"])


def arguments() -> argparse.ArgumentParser:
    """Return the grammar of the command line."""
    parser = argparse.ArgumentParser(prog="python -m chassis.dead_letters")
    verbs = parser.add_subparsers(dest="verb", required=True)
    listing = verbs.add_parser("list", help="list dead letters, of one topic or of all")
    listing.add_argument("topic", nargs="?")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    driving = verbs.add_parser("redrive", help="put dead letters back for who failed")
    driving.add_argument("topic")
    which = driving.add_mutually_exclusive_group(required=True)
    which.add_argument("--offset", type=int, nargs="+", help="these offsets in <topic>.dead")
    which.add_argument("--all", action="store_true", help="all that wait")
    driving.add_argument("--again", action="store_true", help="even what was redriven before")
    return parser


def main() -> int:
    """Run the command line against MILLRACE_KAFKA_URL; return its exit status."""
    chosen = arguments().parse_args()
    cluster = Settings().kafka
    try:
        if chosen.verb == "list":
            said = asyncio.run(_list(cluster, chosen.topic, as_json=chosen.json))
        else:
            said = asyncio.run(_redrive(cluster, chosen))
    except CannotRedrive as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KafkaConnectionError:
        sys.stderr.write(f"Kafka cannot be reached at {cluster.addresses}.\n")
        return 1
    if said:
        sys.stdout.write(f"{said}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
