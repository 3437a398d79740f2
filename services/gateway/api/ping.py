"""`ping` and the index: is anybody there, and what is there."""

from typing import Any

from fastapi import APIRouter, Request

from chassis.wire import public_base
from gateway.routes import ROUTES

router = APIRouter(tags=["ping"])

_API = "/api/v1/"


@router.get("/ping")
@router.get("/api/v1/ping")
async def ping() -> dict[str, Any]:
    """Tell that the gateway answers."""
    return {"status": "ok", "success": True}


@router.get("/api/v1")
async def index(request: Request) -> dict[str, str]:
    """Return the address of each resource by its name."""
    base = public_base(request)
    names = sorted(
        route.prefix.removeprefix(_API)
        for route in ROUTES.routes
        if route.prefix.startswith(_API) and len(route.prefix) > len(_API)
    )
    return {name: f"{base}{_API}{name}/" for name in names if "/" not in name}
