"""Where records go that cannot be handled: to the dead letters, or back to who wrote them."""

from aiokafka import ConsumerRecord

from chassis import rejects
from chassis.clock import now
from chassis.database import Database
from chassis.dead_letters import as_sent, headers_to_bury, source_of
from chassis.outbox import Outgoing, Producer
from chassis.problems import Problem
from chassis.subscriptions import Subscription, ingested_record
from contracts.topics import Topic

#: Longest description of a failure in a dead letter, in characters.
_ERROR_CHARACTERS = 1000
_UNFORESEEN = "The record could not be handled; what went wrong is noted on our side."


class Burial:
    """Keeps what a service's subscriptions gave up."""

    def __init__(self, service: str, database: Database, producer: Producer) -> None:
        """Send dead letters through the producer, and rejects with a commit of the database."""
        self._service = service
        self._database = database
        self._producer = producer

    async def __call__(
        self, subscription: Subscription, record: ConsumerRecord, error: BaseException
    ) -> None:
        """Return once a record is kept where somebody will look for it."""
        if isinstance(subscription.topic, Topic):
            letter = self._letter(subscription.topic, subscription.name, record, error)
            await self._producer.send_all([letter])
        else:
            await self._reject(subscription.name, record, error)

    def _letter(
        self, topic: Topic, subscription: str, record: ConsumerRecord, error: BaseException
    ) -> Outgoing:
        headers = headers_to_bury(record) | {
            "millrace-error": _said(error),
            "millrace-source": source_of(record),
            "millrace-subscription": f"{self._service}.{subscription}",
            "millrace-buried-at": now().isoformat(),
        }
        return Outgoing(
            topic=topic.dead,
            key=as_sent(record.key),
            value=record.value or b"",
            event_id=headers.get("millrace-event-id", ""),
            headers=headers,
        )

    async def _reject(
        self, subscription: str, record: ConsumerRecord, error: BaseException
    ) -> None:
        """Tell the tenant, once, and nothing of our insides.

        By way of the outbox: a topic that takes nothing holds up no other tenant's records.
        """
        # What a problem says is meant for who asked; nothing else is.
        told = error if isinstance(error, Problem) else Problem(_UNFORESEEN)
        refused = ingested_record(record)
        async with self._database.transaction(tenant_id=refused.tenant_id) as tx:
            await rejects.tell(
                tx,
                self._database.metadata,
                [(refused, told)],
                subscription=f"{subscription}.given-up",
            )


def _said(error: BaseException) -> str:
    """Return what an error says, as text that can be written anywhere."""
    try:
        told = f"{type(error).__name__}: {error}"
    except Exception:  # it was made of what failed, and fails for the same reason
        told = type(error).__name__
    return told[:_ERROR_CHARACTERS].encode(errors="replace").decode()
