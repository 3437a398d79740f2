"""`/api/v1/trained_model/{id}/…`: try a project's model out (Recotem's management API).

Training owns the models; what they recommend is asked here, where they are in memory.
"""

import random
from typing import Annotated

from fastapi import Request, Response
from pydantic import Field

from chassis import crud, units
from chassis.identity import Caller, CurrentCaller
from chassis.ids import new_uid
from chassis.problems import Forbidden, Invalid, NotFound
from chassis.wire import Whole, Wire
from chassis.wire import router as new_router
from contracts.identifiers import Identifier, fault_in
from inference.operations.predicting import Predictor
from inference.operations.serving import Serving
from inference.operations.servings import Answered, Servings
from inference.scorers import Ranking

router = new_router(refusal=400, tags=["trained_model"])

_NOUN = "TrainedModel"
_PATH = "/api/v1/trained_model/{id}"
#: Most items that are asked for at once, as at /inference/predict.
_MOST = 1000
#: How many items a sample shows.
_SHOWN = 20


class ScoredItem(Wire):
    item_id: str
    score: float


class SampleOut(Wire):
    user_id: str
    user_profile: list[str]
    recommendations: list[ScoredItem]


class ProfileIn(Wire):
    item_ids: Annotated[list[Identifier], Field(max_length=10_000)]
    cutoff: Annotated[Whole, Field(ge=1, le=_MOST)]


class ProfileOut(Wire):
    recommendations: list[ScoredItem]


@router.get(f"{_PATH}/recommendation", dependencies=[crud.READ])
async def recommendation(
    id: str,
    request: Request,
    response: Response,
    caller: CurrentCaller,
    user_id: str = "",
    cutoff: str = "10",
) -> list[ScoredItem]:
    """Return the best items for a user; already seen ones are left out."""
    if not user_id:
        raise Invalid("user_id is required.")
    fault = fault_in(user_id)
    if fault:
        raise Invalid(fields={"user_id": [fault]})
    k = _cutoff(cutoff)
    serving = await _serving(request, caller, id)
    [prediction] = await _predictor(request).predict(serving, [user_id], cutoff=k)
    if prediction.ranking is None:
        raise NotFound(f"User '{user_id}' not found.")
    response.headers.update(_tell(request, serving, user_id, prediction.ranking))
    return _scored(prediction.ranking)


@router.get(f"{_PATH}/sample_recommendation_raw", dependencies=[crud.READ])
async def sample(id: str, request: Request, caller: CurrentCaller) -> SampleOut:
    """Show some user, what that one did and what the model says; nobody is served by it."""
    serving = await _serving(request, caller, id)
    draw = random.random()  # noqa: S311 - which user is shown is no secret
    found = await _predictor(request).sample(serving, draw=draw, cutoff=_SHOWN)
    return SampleOut(
        user_id=found.user_id,
        user_profile=list(found.items),
        recommendations=_scored(found.ranking),
    )


@router.post(f"{_PATH}/recommend_using_profile_interaction", dependencies=[crud.WRITE])
async def by_profile(
    id: str, sent: ProfileIn, request: Request, response: Response, caller: CurrentCaller
) -> ProfileOut:
    """Return the best items for somebody who likes these; unknown ones are ignored."""
    serving = await _serving(request, caller, id)
    ranking = _predictor(request).by_items(serving, sent.item_ids, cutoff=sent.cutoff)
    # Nobody asked for a user: the announcement names none.
    response.headers.update(_tell(request, serving, "", ranking))
    return ProfileOut(recommendations=_scored(ranking))


async def _serving(request: Request, caller: Caller, id: str) -> Serving:
    """Return a project's own model.

    Raises:
        NotFound: there is none, it is not trained yet, or it is not the caller's.
    """
    number = crud.row_id(id, _NOUN)
    try:
        serving = await _predictor(request).model(caller, number)
    except (NotFound, Forbidden) as error:
        raise NotFound.of(_NOUN) from error
    if serving.model.project_id is None:
        raise NotFound.of(_NOUN)
    return serving


def _cutoff(text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        raise Invalid("cutoff must be an integer.")
    if int(text) < 1:
        raise Invalid("cutoff must be >= 1.")
    if int(text) > _MOST:
        raise Invalid(f"cutoff must be <= {_MOST}.")
    return int(text)


def _tell(request: Request, serving: Serving, user_id: str, ranking: Ranking) -> dict[str, str]:
    """Write an answer down for the world to hear, like any other prediction; return the header that
    tells what it is billed.
    """
    servings: Servings = request.app.state.servings
    model = serving.model
    answer = Answered(
        request_id=new_uid(),
        operation="predict",
        user_id=user_id,
        item_ids=ranking.items,
        project_id=model.project_id,
        model_id=model.model_id,
    )
    servings.tell(model.tenant_id, [answer])
    return units.told(answer.centiunits)


def _predictor(request: Request) -> Predictor:
    predictor: Predictor = request.app.state.predictor
    return predictor


def _scored(ranking: Ranking) -> list[ScoredItem]:
    pairs = zip(ranking.items, ranking.scores, strict=True)
    return [ScoredItem(item_id=item, score=score) for item, score in pairs]
