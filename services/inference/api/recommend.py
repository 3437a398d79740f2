"""`/api/v1/recommend`: personal recommendations, in RecommendAI's spelling."""

from typing import Annotated, Literal

from fastapi import Request, Response
from pydantic import Field, TypeAdapter

from chassis import units
from chassis.identity import refuse_elsewhere
from chassis.ids import new_uid
from chassis.reading import body_of, documented, json
from chassis.wire import CamelWire
from chassis.wire import router as new_router
from contracts.identifiers import Identifier
from inference.api.asking import asking
from inference.operations.recommending import Recommendations, Recommender
from inference.operations.servings import Answered, Servings

router = new_router(refusal=400, tags=["recommendations"])

Algorithm = Literal["collaborative", "content-based", "hybrid", "deep-learning"]
Count = Annotated[int, Field(ge=1, le=100, strict=True)]


class RecommendIn(CamelWire):
    user_id: Identifier
    count: Count
    algorithm: Algorithm = "hybrid"
    #: What was done in it counts beside the user's history, and alone where there is none.
    session_id: Identifier | None = None


class RecommendedOut(CamelWire):
    item_id: str
    score: float
    algorithm: str
    explanation: str


_BODY = TypeAdapter(RecommendIn)


@router.post(
    "/api/v1/recommend",
    responses={200: {"model": list[RecommendedOut]}},
    openapi_extra=documented(RecommendIn),
)
async def recommend(request: Request) -> Response:
    """Recommend items to a user."""
    caller = refuse_elsewhere(asking(request, "predict"))
    body = await body_of(request, _BODY)
    recommender: Recommender = request.app.state.recommender
    found = await recommender.recommend(
        caller.tenant_id,
        body.user_id,
        count=body.count,
        algorithm=body.algorithm,
        session_id=body.session_id,
    )
    rows = [
        {
            "itemId": item.item,
            "score": item.score,
            "algorithm": item.algorithm,
            "explanation": item.explanation,
        }
        for item in found.items
    ]
    headers = told(request, caller.tenant_id, found, operation="recommend", user_id=body.user_id)
    return json(rows, headers)


def told(
    request: Request, tenant_id: str, found: Recommendations, *, operation: str, user_id: str
) -> dict[str, str]:
    """Write an answer down for the world to hear; return the headers that name it."""
    servings: Servings = request.app.state.servings
    model = found.servings[0].model if found.servings else None
    request_id = new_uid()
    answered = Answered(
        request_id=request_id,
        operation=operation,
        user_id=user_id,
        item_ids=[item.item for item in found.items],
        project_id=model.project_id if model else None,
        model_id=model.model_id if model else None,
        algorithm=found.items[0].algorithm if found.items else None,
    )
    servings.tell(tenant_id, [answered])
    told_of = {"Millrace-Model": found.version, "Millrace-Request": request_id}
    return told_of | units.told(answered.centiunits)
