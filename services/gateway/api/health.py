"""`health`: how the platform is, for people and probes as text, for machines as JSON."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from gateway.api.parts import ProbesPart
from gateway.forwarding.probes import Readiness

router = APIRouter(tags=["health"])


@router.get(
    "/health",
    response_class=PlainTextResponse,
    responses={503: {"description": "A service is not ready."}},
)
async def health(request: Request, probes: ProbesPart) -> Response:
    """Tell whether every service is ready."""
    found = await probes.look()
    ready = all(each.ready for each in found.values())
    status = 200 if ready else 503
    word = "Healthy" if ready else "Unhealthy"
    if "json" in request.headers.get("accept", ""):
        services = {name: _spelled(each) for name, each in found.items()}
        return JSONResponse({"status": word, "services": services}, status_code=status)
    return PlainTextResponse(word, status_code=status)


def _spelled(readiness: Readiness) -> dict[str, Any]:
    told: dict[str, Any] = {
        "ready": readiness.ready,
        "version": readiness.version,
        "lag": readiness.lag,
    }
    if readiness.replicas:
        told["replicas"] = [_spelled(each) for each in readiness.replicas]
    return told
