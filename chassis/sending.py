"""Records sent so that one which no broker will ever take stops none of the others.

A topic that is absent or closed takes its records later, so they wait. A record that is refused for
what it is would wait for ever, and all of its topic behind it: it is found by halving, and buried.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError

from chassis import telemetry
from chassis.clock import now
from chassis.metrics import REFUSED
from chassis.outbox import NotTaken, Outgoing, Producer
from contracts.topics import TOPICS

#: A broker will never take the record, however often it is asked.
_FOR_EVER = (MessageSizeTooLargeError, RecordListTooLargeError, UnicodeError)
_DEAD = {topic.name: topic.dead for topic in TOPICS}
#: How much of a buried record is shown, in bytes.
_SHOWN = 8 * 1024
_ERROR_CHARACTERS = 1000
_ID_CHARACTERS = 200


class StillRefused(Exception):
    """A record is refused although what could be left out of it was."""


@dataclass(slots=True)
class Outcome:
    """What became of some records; those in neither list wait with their topic."""

    taken: list[Outgoing] = field(default_factory=list)
    #: Records that are refused for what they are, each with the reason.
    refused: list[tuple[Outgoing, Exception]] = field(default_factory=list)
    #: Topics that take nothing now, each with the reason.
    waiting: dict[str, Exception] = field(default_factory=dict)

    def done(self, records: Sequence[Outgoing]) -> list[Outgoing]:
        """Return, in their order, those records that need not be sent again."""
        over = {id(record) for record in self.taken}
        over |= {id(record) for record, _reason in self.refused}
        return [record for record in records if id(record) in over]


async def send(producer: Producer, records: Sequence[Outgoing]) -> Outcome:
    """Send records in order, and find those that are refused for what they are.

    What stands beside such a record may be sent more than once.
    """
    outcome = Outcome()
    await _send(producer, records, outcome)
    return outcome


async def _send(producer: Producer, records: Sequence[Outgoing], outcome: Outcome) -> None:
    reasons: Mapping[str, Exception] = {}
    try:
        await producer.send_all(records)
    except NotTaken as error:
        reasons = error.reasons
    outcome.taken += [record for record in records if record.topic not in reasons]
    for topic, reason in reasons.items():
        some = [record for record in records if record.topic == topic]
        if not isinstance(reason, _FOR_EVER):
            outcome.waiting[topic] = reason
        elif len(some) == 1:
            outcome.refused.append((some[0], reason))
        else:
            middle = len(some) // 2
            for half in (some[:middle], some[middle:]):
                if topic not in outcome.waiting:
                    await _send(producer, half, outcome)


async def bury(producer: Producer, record: Outgoing, reason: Exception) -> None:
    """Keep the beginning of a refused record among its topic's dead letters, and tell the operator.

    Where the dead letters take nothing either, the log is what is left of it.
    """
    REFUSED.inc()
    telemetry.log.error(
        "record %s for %s (%d bytes) is refused for ever: %s",
        record.event_id[:_ID_CHARACTERS],
        record.topic,
        len(record.value),
        reason,
    )
    if record.topic not in _DEAD:
        return  # a tenant's own topic has no dead letters of ours
    try:
        await producer.send_all([_letter(record, reason)])
    except NotTaken as error:
        telemetry.log.error("it has no dead letter either: %s", error)


def _letter(record: Outgoing, reason: Exception) -> Outgoing:
    value = record.value
    message = f"{type(reason).__name__}: {reason}"[:_ERROR_CHARACTERS]
    shown = {
        "event_id": record.event_id[:_ID_CHARACTERS],
        "tenant_id": record.key.partition(":")[0],
        "bytes": len(value),
        "message": message,
        "record": value[:_SHOWN].decode(errors="replace"),
    }
    return Outgoing(
        topic=_DEAD[record.topic],
        key=record.key[:_ERROR_CHARACTERS],
        value=json.dumps(shown).encode(),
        event_id=record.event_id[:_ID_CHARACTERS],
        headers={"millrace-error": message, "millrace-buried-at": now().isoformat()},
    )
