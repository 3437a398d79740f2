"""`/inference/predict`: predictions by a project's models and slots, in Recotem's spelling."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import Field, TypeAdapter

from chassis import units
from chassis.crud import row_id
from chassis.ids import new_uid
from chassis.problems import NotFound, Unprocessable
from chassis.reading import body_of, documented, json
from chassis.wire import Wire
from chassis.wire import router as new_router
from contracts.identifiers import Identifier
from inference.api.asking import asking
from inference.domain.slots import Slot
from inference.operations.predicting import Prediction, Predictor
from inference.operations.serving import Serving
from inference.operations.servings import UNITS, Answered, Servings

router = new_router(refusal=422, tags=["inference"])

_MOST_USERS = 100

Cutoff = Annotated[int, Field(ge=1, le=1000, strict=True)]


class PredictIn(Wire):
    user_id: Identifier
    cutoff: Cutoff = 10


class BatchIn(Wire):
    user_ids: list[Identifier]
    cutoff: Cutoff = 10


class ScoredItem(Wire):
    item_id: str
    score: float


class PredictOut(Wire):
    items: list[ScoredItem]
    model_id: int
    request_id: str


class BatchOut(Wire):
    results: list[PredictOut]


class SlotOut(PredictOut):
    slot_id: int
    slot_name: str


_ONE = TypeAdapter(PredictIn)
_MANY = TypeAdapter(BatchIn)


@router.post(
    "/inference/predict/project/{project_id}",
    responses={200: {"model": SlotOut}},
    openapi_extra=documented(PredictIn),
)
async def by_project(project_id: str, request: Request) -> Response:
    """Answer through one of the project's slots."""
    caller = asking(request, "predict")
    number = row_id(project_id, "Project")
    body = await body_of(request, _ONE)
    predictor = _predictor(request)
    slot, serving = await predictor.slot(caller, number, body.user_id)
    [prediction] = await predictor.predict(serving, [body.user_id], cutoff=body.cutoff)
    [answer] = _answered(request, serving, [_known(prediction)], slot=slot)
    return json(answer | {"slot_id": slot.slot_id, "slot_name": slot.name}, units.told(UNITS))


@router.post(
    "/inference/predict/{model_id}",
    responses={200: {"model": PredictOut}},
    openapi_extra=documented(PredictIn),
)
async def by_model(model_id: str, request: Request) -> Response:
    """Answer one user by one model."""
    caller = asking(request, "predict")
    number = row_id(model_id, "Model")
    body = await body_of(request, _ONE)
    predictor = _predictor(request)
    serving = await predictor.model(caller, number)
    [prediction] = await predictor.predict(serving, [body.user_id], cutoff=body.cutoff)
    [answer] = _answered(request, serving, [_known(prediction)])
    return json(answer, units.told(UNITS))


@router.post(
    "/inference/predict/{model_id}/batch",
    responses={200: {"model": BatchOut}},
    openapi_extra=documented(BatchIn),
)
async def batch(model_id: str, request: Request) -> Response:
    """Answer up to a hundred users by one model; one that it does not know gets no items."""
    caller = asking(request, "predict")
    number = row_id(model_id, "Model")
    body = await body_of(request, _MANY)
    if len(body.user_ids) > _MOST_USERS:
        raise Unprocessable(f"Maximum {_MOST_USERS} users per batch")
    predictor = _predictor(request)
    serving = await predictor.model(caller, number)
    predictions = await predictor.predict(serving, body.user_ids, cutoff=body.cutoff)
    answers = _answered(request, serving, predictions)
    return json({"results": answers}, units.told(UNITS * len(answers)))


def _predictor(request: Request) -> Predictor:
    predictor: Predictor = request.app.state.predictor
    return predictor


def _known(prediction: Prediction) -> Prediction:
    if prediction.ranking is None:
        raise NotFound(f"User '{prediction.user_id}' not found in model")
    return prediction


def _answered(
    request: Request,
    serving: Serving,
    predictions: Sequence[Prediction],
    *,
    slot: Slot | None = None,
) -> list[dict[str, Any]]:
    """Return the answers, each of them written down for the world to hear."""
    servings: Servings = request.app.state.servings
    model = serving.model
    answers = []
    facts = []
    for prediction in predictions:
        request_id = new_uid()
        items, scores = _pairs(prediction)
        answers.append(
            {
                "items": [
                    {"item_id": item, "score": score}
                    for item, score in zip(items, scores, strict=True)
                ],
                "model_id": model.model_id,
                "request_id": request_id,
            }
        )
        facts.append(
            Answered(
                request_id=request_id,
                operation="predict",
                user_id=prediction.user_id,
                item_ids=items,
                project_id=slot.project_id if slot else model.project_id,
                model_id=model.model_id,
                slot_id=slot.slot_id if slot else None,
            )
        )
    if facts:
        servings.tell(model.tenant_id, facts)
    return answers


def _pairs(prediction: Prediction) -> tuple[Sequence[str], Sequence[float]]:
    if prediction.ranking is None:
        return (), ()
    return prediction.ranking.items, prediction.ranking.scores
