"""`/api/v1/conversion_event`: what customers did with what they were shown (Recotem)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import Depends, Request, Response
from pydantic import Field, TypeAdapter, ValidationError

from chassis import crud, idempotency, units, wire
from chassis.dependencies import Store, Tx
from chassis.idempotency import IdempotencyKey
from chassis.identity import CurrentCaller, needs
from chassis.problems import Invalid, Problem
from chassis.reading import documented_rows
from chassis.validation import problem_in
from chassis.wire import JsonValue, Key, Wire
from contracts.conversions import ConversionType
from contracts.identifiers import EventIdentifier, Identifier, OptionalIdentifier
from experiments.domain.conversions import CENTIUNITS, Conversion, Report, Source
from experiments.operations.conversions import Conversions, Kept
from experiments.operations.doors import SingleDoor, record_batch
from experiments.operations.positions import positional

PATH = "/api/v1/conversion_event"
#: Most events that one batch may hold.
BATCH_LIMIT = 1000
router = wire.router(tags=["conversion_event"])
conversions = Conversions()
TELL = needs("write", "predict")


class ConversionIn(Wire):
    project: Key
    deployment_slot: Key
    user_id: Identifier
    item_id: OptionalIdentifier = ""
    event_type: ConversionType
    recommendation_request_id: UUID | None = None
    metadata_json: JsonValue = Field(default_factory=dict)
    event_id: EventIdentifier | None = Field(default=None, alias="eventId")

    def to_domain(self, source: Source, *, event_id: str, at: datetime) -> Report:
        requested = self.recommendation_request_id
        return Report(
            project_id=self.project,
            slot_id=self.deployment_slot,
            user_id=self.user_id,
            item_id=self.item_id,
            conversion_type=self.event_type,
            request_id=None if requested is None else str(requested),
            details=self.metadata_json,
            source=source,
            event_id=event_id,
            occurred_at=at,
        )


class ConversionOut(Wire):
    id: int
    project: int = Field(validation_alias="project_id")
    deployment_slot: int = Field(validation_alias="slot_id")
    user_id: str
    item_id: str
    event_type: ConversionType = Field(validation_alias="conversion_type")
    recommendation_request_id: str | None = Field(validation_alias="request_id")
    timestamp: datetime = Field(validation_alias="occurred_at")
    metadata_json: Any = Field(validation_alias="details")
    event_id: str = Field(serialization_alias="eventId")


class BatchIn(Wire):
    events: list[Any]


class RecordedOut(Wire):
    id: int
    event_id: str = Field(serialization_alias="eventId")
    duplicate: bool


class BatchOut(Wire):
    created: int
    duplicates: int
    results: list[RecordedOut]

    @classmethod
    def of(cls, kept: Sequence[Kept]) -> "BatchOut":
        duplicates = sum(each.duplicate for each in kept)
        results = [
            RecordedOut(
                id=each.conversion.id,
                event_id=each.conversion.event_id,
                duplicate=each.duplicate,
            )
            for each in kept
        ]
        return cls(created=len(kept) - duplicates, duplicates=duplicates, results=results)


_EVENT = TypeAdapter(ConversionIn)


async def _door(request: Request) -> SingleDoor:
    door: SingleDoor = request.app.state.conversions
    return door


crud.resource(
    router,
    PATH,
    body=ConversionIn,
    wire=ConversionOut,
    operations=cast(crud.Operations, conversions),  # the verbs that write are not asked for
    verbs="list retrieve",
    filters={"project": int, "deployment_slot": int, "event_type": str},
    scopes={"read": needs("read", "predict")},
)


@router.post(PATH, status_code=201, response_model=ConversionOut, dependencies=[TELL])
async def record(
    body: ConversionIn,
    caller: CurrentCaller,
    key: IdempotencyKey,
    store: Store,
    door: Annotated[SingleDoor, Depends(_door)],
    response: Response,
) -> Conversion:
    event_id = idempotency.event_id(body.event_id, key)
    report = body.to_domain("http", event_id=event_id, at=store.clock())
    kept = await door.record(report, caller)
    response.headers.update(_billed([kept]))
    return kept.conversion


@router.post(
    f"{PATH}/batch",
    status_code=201,
    dependencies=[TELL],
    openapi_extra=documented_rows("events", ConversionIn, at_most=BATCH_LIMIT),
)
async def batch(body: BatchIn, key: IdempotencyKey, tx: Tx, response: Response) -> BatchOut:
    if len(body.events) > BATCH_LIMIT:
        raise Invalid(fields={"events": [f"A batch may hold {BATCH_LIMIT} events."]})
    read = [_read(event) for event in body.events]
    if any(isinstance(each, Problem) for each in read):
        raise positional([each if isinstance(each, Problem) else None for each in read])
    reports = [
        each.to_domain(
            "batch", event_id=idempotency.event_id_at(place, each.event_id, key), at=tx.clock()
        )
        for place, each in enumerate(read)
        if isinstance(each, ConversionIn)
    ]
    kept = await record_batch(tx, reports)
    response.headers.update(_billed(kept))
    return BatchOut.of(kept)


def _billed(kept: Sequence[Kept]) -> dict[str, str]:
    """Return the header that tells what an answer is billed: repeats are free."""
    new = [each.conversion.source for each in kept if not each.duplicate]
    return units.told(sum(CENTIUNITS[source] for source in new))


def _read(event: Any) -> ConversionIn | Problem:
    try:
        return _EVENT.validate_python(event)
    except ValidationError as error:
        return problem_in(error)
