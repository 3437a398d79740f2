"""`/api/recommendations`: generated recommendations and their upkeep, in RecommendAI's spelling."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, Request, Response
from pydantic import Field

from chassis.database import Transaction
from chassis.dependencies import Tx
from chassis.identity import needs_admin, needs_person
from chassis.wire import CamelPage, CamelWire, Page, documented_filters, enveloped, filters
from chassis.wire import router as new_router
from inference.api.recommend import Algorithm, Count
from inference.operations import recommendations

router = new_router(refusal=400, tags=["recommendations"])

ADMIN = [Depends(needs_admin)]
PERSON = [Depends(needs_person)]


class RecommendationOut(CamelWire):
    id: Annotated[str, Field(validation_alias="uid")]
    user_id: str
    item_id: str
    score: float
    algorithm: str
    reason: str
    created_at: datetime
    metadata: Annotated[dict[str, Any], Field(validation_alias="extra")]


class RecommendationPage(CamelWire):
    data: list[RecommendationOut]
    total: int
    page: int
    page_size: int


class GenerateIn(CamelWire):
    algorithm: Algorithm = "hybrid"
    user_segment: Literal["all", "active"] = "all"
    count: Count = 10


class GenerateOut(CamelWire):
    job_id: str
    status: str
    estimated_completion_ms: int


_FILTERS: dict[str, type] = {"userId": str, "algorithm": str}


@router.get(
    "/api/recommendations",
    dependencies=ADMIN,
    response_model=RecommendationPage,
    openapi_extra=documented_filters(**_FILTERS),
)
async def every(request: Request, tx: Tx, page: CamelPage) -> dict[str, Any]:
    """List all recommendations of the tenant."""
    where = filters(request, **_FILTERS)
    return await _page(tx, page, user_id=where.get("userId"), algorithm=where.get("algorithm"))


@router.get("/api/recommendations/my", dependencies=PERSON, response_model=RecommendationPage)
async def own(tx: Tx, page: CamelPage) -> dict[str, Any]:
    """List the caller's own recommendations."""
    return await _page(tx, page, user_id=tx.caller.subject, algorithm=None)


@router.get("/api/recommendations/{id}", dependencies=PERSON, response_model=RecommendationOut)
async def one(id: str, tx: Tx) -> Any:
    """Return one recommendation."""
    return await recommendations.retrieve(tx, id)


@router.delete("/api/recommendations/{id}", status_code=204, dependencies=ADMIN)
async def delete(id: str, tx: Tx) -> Response:
    """Delete one recommendation."""
    await recommendations.remove(tx, id)
    return Response(status_code=204)


@router.post(
    "/api/recommendations/generate",
    status_code=202,
    dependencies=ADMIN,
    response_model=GenerateOut,
)
async def generate(body: GenerateIn, tx: Tx) -> Any:
    """Begin to generate recommendations for all known users."""
    job = await recommendations.request(
        tx, algorithm=body.algorithm, segment=body.user_segment, count=body.count
    )
    return GenerateOut(
        job_id=job.uid,
        status=job.state,
        estimated_completion_ms=recommendations.estimate_ms(job),
    )


async def _page(
    tx: Transaction, page: Page, *, user_id: str | None, algorithm: str | None
) -> dict[str, Any]:
    rows, total = await recommendations.find(
        tx, user_id=user_id, algorithm=algorithm, offset=page.offset, limit=page.size
    )
    return enveloped(page, total=total, rows=rows)
