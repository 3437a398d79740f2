"""Announces what was answered: into the spool before the answer leaves, and on to the topic."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import orjson

from chassis import sending, telemetry
from chassis.clock import Clock
from chassis.outbox import NotTaken, Outgoing, Producer
from chassis.patience import patiently
from chassis.problems import Unavailable
from contracts.topics import SERVINGS
from inference.operations.metrics import SPOOL_BYTES, SPOOL_FULL
from inference.store.spool import Batch, Spool, SpoolFull

#: Hundredths of a billing unit for one user or row, asked for and answered at once.
UNITS = 100
#: The same for a row of a job in the background.
BATCH_UNITS = 1
_RELAYED_AT_ONCE = 500
#: Bytes of item ids that an announcement carries, the best ones first: a hundred ids are told
#: whole, however long they are. Who must be billed is in every announcement.
_MOST_ITEM_BYTES = 128 * 1024
_GATHERING_SECONDS = 0.05
#: Seconds that the last answers get to leave with this process, and its producer after them.
_LAST_SECONDS = 1.5


class LastingProducer(Producer, Protocol):
    """A producer that this process takes leave of."""

    async def stop(self) -> None:
        """Disconnect."""
        ...


@dataclass(frozen=True, slots=True)
class Answered:
    """One user's answer, as others must know it."""

    request_id: str
    operation: str
    user_id: str
    item_ids: Sequence[str]
    project_id: int | None = None
    model_id: int | None = None
    slot_id: int | None = None
    algorithm: str | None = None
    centiunits: int = UNITS


class Servings:
    """The one way for an answer to be told."""

    def __init__(
        self,
        open_spool: Callable[[], Spool],
        producer: LastingProducer,
        *,
        clock: Clock,
    ) -> None:
        """Keep lines in a spool and send them through `producer`."""
        self._open = open_spool
        self._spool: Spool | None = None
        self._producer = producer
        self._clock = clock
        self._news = asyncio.Event()
        self._is_relaying = False

    async def start(self) -> None:
        """Open the spool."""
        self._spool = self._open()

    async def stop(self) -> None:
        """Send what is left, then close the spool.

        Where no process ever comes to this disk again, nobody would hear of those answers. While
        Kafka is away they stay, and leave after the next start.
        """
        if self._is_relaying:
            await _briefly(self._drain)
            await _briefly(self._producer.stop)
        if self._spool is not None:
            self._spool.close()

    def tell(self, tenant_id: str, answers: Iterable[Answered]) -> None:
        """Write answers down, so that they are announced whatever happens to this process.

        Raises:
            Unavailable: nothing more can be written down, so nothing more is answered.
        """
        moment = self._clock().isoformat()
        headers = telemetry.inject()
        lines = b"".join(_line(tenant_id, answer, moment, headers) for answer in answers)
        try:
            self._opened.append(lines)
        except SpoolFull as error:
            SPOOL_FULL.inc()
            raise Unavailable("Answers cannot be recorded now; try again later.") from error
        self._news.set()

    async def run(self) -> None:
        """Send for ever: soon after something was written, and what was left over at first."""
        self._is_relaying = True
        while True:
            self._news.clear()
            async for attempt in patiently("announcements wait in the spool", longest=5):
                with attempt:
                    await self._drain()
            SPOOL_BYTES.set(self._opened.waiting_bytes)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), timeout=1)
            await asyncio.sleep(_GATHERING_SECONDS)  # a moment's answers leave together

    async def _drain(self) -> None:
        while await self.sweep():
            pass

    async def sweep(self) -> int:
        """Send some of what waits; return how many lines left.

        Raises:
            NotTaken: the topic takes nothing now; all of it stays.
        """
        batch = self._opened.peek(limit=_RELAYED_AT_ONCE)
        if batch is None:
            return 0
        for record in await self._sent(_records(batch)):
            # A line of an older release, or a broker that takes less than the table of topics says.
            telemetry.log.warning("announcement %.200s is cut down", record.event_id)
            for again in await self._sent([_cut_down(record)]):
                await sending.bury(self._producer, again, sending.StillRefused(record.event_id))
        self._opened.sent(batch)
        return len(batch.lines)

    async def _sent(self, records: Sequence[Outgoing]) -> list[Outgoing]:
        """Send records; return those that are refused for what they are."""
        outcome = await sending.send(self._producer, records)
        if outcome.waiting:
            raise NotTaken(outcome.waiting)
        return [record for record, _reason in outcome.refused]

    @property
    def _opened(self) -> Spool:
        if self._spool is None:
            raise Unavailable("The spool is not open.")
        return self._spool


async def _briefly(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await asyncio.wait_for(work(), _LAST_SECONDS)
    except Exception:
        telemetry.log.warning("announcements stay in the spool", exc_info=True)


def open_spool(folder: Path, *, limit_bytes: int) -> Callable[[], Spool]:
    """Return what opens the spool below a folder when the service starts."""
    return lambda: Spool(folder, limit_bytes=limit_bytes)


def _line(tenant_id: str, answer: Answered, moment: str, headers: dict[str, str]) -> bytes:
    event: dict[str, Any] = {
        "type": "Served",
        # One answer, one id: what answers are called is what their announcements are called.
        "event_id": answer.request_id,
        "tenant_id": tenant_id,
        "occurred_at": moment,
        "recorded_at": moment,
        "request_id": answer.request_id,
        "operation": answer.operation,
        "user_id": answer.user_id,
        "item_ids": _told(answer.item_ids),
        "project_id": answer.project_id,
        "model_id": answer.model_id,
        "slot_id": answer.slot_id,
        "algorithm": answer.algorithm,
        "centiunits": answer.centiunits,
    }
    kept = {name: value for name, value in event.items() if value is not None}
    return orjson.dumps({"headers": headers, "event": kept}) + b"\n"


def _told(items: Sequence[str]) -> Sequence[str]:
    """Return the best of the items, as many as fit into an announcement."""
    if sum(map(len, items)) <= _MOST_ITEM_BYTES // 8:
        return items  # even if each character took six bytes; the usual case costs next to nothing
    size = 0
    for place, item in enumerate(items):
        size += len(orjson.dumps(item)) + 1
        if size > _MOST_ITEM_BYTES:
            return items[:place]
    return items


def _cut_down(record: Outgoing) -> Outgoing:
    """Return an announcement without what was answered: who used what is billed all the same."""
    event = orjson.loads(record.value)
    return record._replace(value=orjson.dumps({**event, "item_ids": []}))


def _records(batch: Batch) -> list[Outgoing]:
    return [record for line in batch.lines for record in _record(line)]


def _record(line: bytes) -> list[Outgoing]:
    try:
        kept = orjson.loads(line)
        event = kept["event"]
        record = Outgoing(
            topic=SERVINGS.name,
            key=f"{event['tenant_id']}:{event['user_id']}",
            value=orjson.dumps(event),
            event_id=event["event_id"],
            headers=kept["headers"],
        )
    except (ValueError, KeyError, TypeError):
        telemetry.log.error("a line of the spool cannot be read: %r", line[:200])
        return []
    return [record]
