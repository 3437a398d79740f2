"""`/inference/health` and `/inference/models`: open to everybody, in Recotem's spelling."""

from typing import Any

from fastapi import Request

from chassis.wire import router as new_router
from inference.operations.serving import Shelf

router = new_router(refusal=422, tags=["inference"])


@router.get("/inference/health")
async def health(request: Request) -> dict[str, Any]:
    """Say that predictions are answered."""
    return {"status": "healthy", "loaded_models": len(_shelf(request).loaded_ids)}


@router.get("/inference/models")
async def models(request: Request) -> dict[str, Any]:
    """List the models in memory."""
    loaded = _shelf(request).loaded_ids
    return {"models": loaded, "count": len(loaded)}


def _shelf(request: Request) -> Shelf:
    shelf: Shelf = request.app.state.shelf
    return shelf
