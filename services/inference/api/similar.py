"""`/api/v1/similar`: items like another, in RecommendAI's spelling."""

from fastapi import Request, Response
from pydantic import TypeAdapter

from chassis.identity import refuse_elsewhere
from chassis.reading import body_of, documented, json
from chassis.wire import CamelWire
from chassis.wire import router as new_router
from contracts.identifiers import Identifier
from inference.api.asking import asking
from inference.api.recommend import Count, told
from inference.operations.recommending import Recommender

router = new_router(refusal=400, tags=["recommendations"])


class SimilarIn(CamelWire):
    item_id: Identifier
    count: Count


class SimilarOut(CamelWire):
    item_id: str
    score: float


_BODY = TypeAdapter(SimilarIn)


@router.post(
    "/api/v1/similar",
    responses={200: {"model": list[SimilarOut]}},
    openapi_extra=documented(SimilarIn),
)
async def similar(request: Request) -> Response:
    """Return the items most like one."""
    caller = refuse_elsewhere(asking(request, "predict"))
    body = await body_of(request, _BODY)
    recommender: Recommender = request.app.state.recommender
    found = await recommender.similar(caller.tenant_id, body.item_id, count=body.count)
    rows = [{"itemId": item.item, "score": item.score} for item in found.items]
    # Nobody asked for a user: the announcement names none.
    headers = told(request, caller.tenant_id, found, operation="similar", user_id="")
    return json(rows, headers)
