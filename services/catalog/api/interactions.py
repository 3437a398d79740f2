"""`/api/v1/interactions` (RecommendAI): one interaction at a time, or a batch of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import Field, TypeAdapter, ValidationError

from catalog.domain.interactions import (
    CENTIUNITS,
    Door,
    Interaction,
    Kept,
    canonical,
    interaction_id,
)
from catalog.operations import interactions
from catalog.operations.interactions import Recorder
from chassis import idempotency, telemetry, units
from chassis.dependencies import Tx
from chassis.idempotency import IdempotencyKey
from chassis.identity import admitted, of_default, refuse_elsewhere
from chassis.problems import Invalid
from chassis.reading import body_of, documented, documented_rows, json
from chassis.validation import problem_in
from chassis.wire import CamelWire, JsonObject, router
from contracts.interactions import IngestedInteraction

interactions_router = router(tags=["interactions"])

_MOST = 1000


class InteractionIn(IngestedInteraction):
    metadata: JsonObject | None = None

    def to_domain(
        self, *, event_id: str, now: datetime, trace: str | None, source: Door
    ) -> Interaction:
        return Interaction(
            event_id=event_id,
            user_id=self.user_id,
            item_id=self.item_id,
            interaction_type=self.interaction_type,
            occurred_at=self.timestamp or now,
            timed=self.timestamp is not None,
            value=self.value,
            session_id=self.session_id,
            request_id=self.request_id,
            metadata=canonical(self.metadata),
            trace=trace,
            source=source,
        )


class InteractionOut(CamelWire):
    success: bool
    interaction_id: str
    timestamp: datetime


class BatchIn(CamelWire):
    interactions: Annotated[list[Any], Field(max_length=_MOST)]


class BatchResult(CamelWire):
    interaction_id: str
    event_id: str
    duplicate: bool


class BatchOut(CamelWire):
    created: int
    duplicates: int
    results: list[BatchResult]


_ITEM = TypeAdapter(InteractionIn)


@interactions_router.post(
    "/api/v1/interactions",
    status_code=201,
    responses={201: {"model": InteractionOut}},
    openapi_extra=documented(InteractionIn, idempotency.PARAMETER),
)
async def record(request: Request) -> Response:
    """Keep one interaction; the same event id again answers the same and changes nothing."""
    caller = refuse_elsewhere(admitted(request, "write"))
    body = await body_of(request, _ITEM)
    event_id = idempotency.event_id(body.event_id, idempotency.key_of(request))
    now = request.app.state.database.clock()
    sent = body.to_domain(event_id=event_id, now=now, trace=_trace(), source="http")
    recorder: Recorder = request.app.state.recorder
    kept = await recorder.record(caller.tenant_id, sent)
    answer = {
        "success": True,
        "interactionId": interaction_id(caller.tenant_id, event_id),
        "timestamp": kept.interaction.occurred_at,
    }
    return json(answer, _billed([kept]), status=201)


@interactions_router.post(
    "/api/v1/interactions/batch",
    status_code=201,
    dependencies=[of_default("write")],
    openapi_extra=documented_rows("interactions", IngestedInteraction, at_most=_MOST),
)
async def record_batch(body: BatchIn, key: IdempotencyKey, tx: Tx, response: Response) -> BatchOut:
    """Keep up to 1,000 interactions, all or none of them."""
    sent = _all_sound(body.interactions)
    now, trace = tx.clock(), _trace()
    batch = [
        each.to_domain(
            event_id=idempotency.event_id_at(n, each.event_id, key),
            now=now,
            trace=trace,
            source="batch",
        )
        for n, each in enumerate(sent)
    ]
    kept = await interactions.record_all(tx, batch)
    response.headers.update(_billed(kept))
    duplicates = sum(each.duplicate for each in kept)
    return BatchOut(
        created=len(kept) - duplicates,
        duplicates=duplicates,
        results=[_result(tx.tenant_id, each) for each in kept],
    )


def _trace() -> str | None:
    return telemetry.inject().get("traceparent")


def _billed(kept: Sequence[Kept]) -> dict[str, str]:
    """Return the header that tells what an answer is billed: repeats are free."""
    new = [each.interaction.source for each in kept if not each.duplicate]
    return units.told(sum(CENTIUNITS[source] for source in new))


def _result(tenant_id: str, kept: Kept) -> BatchResult:
    event_id = kept.interaction.event_id
    return BatchResult(
        interaction_id=interaction_id(tenant_id, event_id),
        event_id=event_id,
        duplicate=kept.duplicate,
    )


def _all_sound(rows: Sequence[Any]) -> list[InteractionIn]:
    """Return the rows as interactions.

    Raises:
        Invalid: some are unsound; `interactions` holds each one's messages at its position.
    """
    sound: list[InteractionIn] = []
    found: dict[int, dict[str, list[str]]] = {}
    for n, row in enumerate(rows):
        try:
            sound.append(_ITEM.validate_python(row))
        except ValidationError as error:
            fields = problem_in(error).fields
            found[n] = {name: list(texts) for name, texts in fields.items()}
    if found:
        raise Invalid(
            f"{len(found)} of {len(rows)} interactions are not valid.",
            fields={
                f"interactions.{n}.{name}": texts
                for n, fields in found.items()
                for name, texts in fields.items()
            },
            members={"interactions": [found.get(n, {}) for n in range(len(rows))]},
        )
    return sound
