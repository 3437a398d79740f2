"""`ping` and the index: is anybody there, and what is there."""

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request

from chassis.identity import Caller
from chassis.problems import Forbidden, Unauthenticated
from chassis.wire import public_base
from contracts.http import OPERATIONS, Status
from gateway.api.parts import RememberedPart
from gateway.forwarding import incoming
from gateway.forwarding.remembered import Remembered
from gateway.routes import ROUTES

router = APIRouter(tags=["ping"])

_API = "/api/v1/"


@router.get("/ping")
@router.get("/api/v1/ping")
async def ping() -> dict[str, Any]:
    """Tell that the gateway answers."""
    return {"status": "ok", "success": True}


@router.get("/api/v1")
async def index(request: Request, remembered: RememberedPart) -> dict[str, str]:
    """Return the address of each list by its name: to whom is signed in, those that may be read."""
    base = public_base(request)
    caller = await _caller(request, remembered)
    return {
        name: f"{base}{_API}{name}/"
        for name in LISTS
        if caller is None or _may_list(caller, f"{_API}{name}")
    }


def _lists() -> Iterator[str]:
    """Yield the names of what can be listed: what can be read as a whole, and has things below."""
    served = [each for each in OPERATIONS if each.status is Status.SERVED]
    read = {each.path for each in served if each.method == "GET"}
    for path in sorted(read):
        name = path.removeprefix(_API)
        is_resource = path.startswith(_API) and "/" not in name
        if is_resource and any(each.path.startswith(f"{path}/{{") for each in served):
            yield name


LISTS = tuple(_lists())


async def _caller(request: Request, remembered: Remembered) -> Caller | None:
    try:
        known = await remembered.of(incoming.read(request.headers.raw))
    except Unauthenticated:
        return None
    return None if known is None else known.identity.caller


def _may_list(caller: Caller, path: str) -> bool:
    match = ROUTES.find(path)
    if match is None:
        return False
    try:
        match.route.door.check(caller, "GET")
    except Forbidden:
        return False
    return True
