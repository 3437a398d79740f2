"""`schema`: one OpenAPI document for the whole platform, and two pages that show it from local
assets.
"""

import asyncio
import json
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

import yaml
from fastapi import APIRouter, Request, Response
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse

from chassis.problems import NotFound
from gateway.api.parts import DocumentsPart
from gateway.domain.schema import merge
from gateway.forwarding.documents import Found
from gateway.routes import ROUTES, SELF

router = APIRouter(tags=["schema"])

_PATH = "/api/v1/schema"
_ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "redoc.standalone.js": "text/javascript",
    "favicon.png": "image/png",
}
_JSON = "application/vnd.oai.openapi+json"
_YAML = "application/vnd.oai.openapi"
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@router.get(_PATH, response_class=Response)
async def schema(
    request: Request,
    documents: DocumentsPart,
    format: Literal["json", "yaml"] | None = None,
) -> Response:
    """Return the OpenAPI document, as YAML unless JSON is asked for."""
    own, version = request.app.openapi(), request.app.version

    def as_json(found: Found) -> str:
        return json.dumps(merge({SELF: own, **found}, version=version, door=_door))

    def as_yaml(found: Found) -> str:
        spelled: str = yaml.dump(json.loads(as_json(found)), Dumper=_DUMPER, sort_keys=False)
        return spelled

    if format == "json" or (format is None and _prefers_json(request)):
        return Response(await documents.spelled("json", as_json), media_type=_JSON)
    return Response(await documents.spelled("yaml", as_yaml), media_type=_YAML)


@router.get(f"{_PATH}/swagger-ui", include_in_schema=False)
async def swagger_ui() -> HTMLResponse:
    """Return Swagger UI."""
    return get_swagger_ui_html(
        openapi_url=f"{_PATH}/?format=json",
        title="Millrace",
        swagger_js_url=f"{_PATH}/assets/swagger-ui-bundle.js",
        swagger_css_url=f"{_PATH}/assets/swagger-ui.css",
        swagger_favicon_url=f"{_PATH}/assets/favicon.png",
    )


@router.get(f"{_PATH}/redoc", include_in_schema=False)
async def redoc() -> HTMLResponse:
    """Return ReDoc."""
    return get_redoc_html(
        openapi_url=f"{_PATH}/?format=json",
        title="Millrace",
        redoc_js_url=f"{_PATH}/assets/redoc.standalone.js",
        redoc_favicon_url=f"{_PATH}/assets/favicon.png",
        with_google_fonts=False,
    )


@router.get(f"{_PATH}/assets/{{name}}", include_in_schema=False)
async def asset(name: str) -> Response:
    """Return a script or a style of the two pages."""
    if name not in _ASSETS:
        raise NotFound("Not found.")
    content = await asyncio.to_thread(_asset, name)
    headers = {"Cache-Control": "public, max-age=86400"}
    return Response(content, media_type=_ASSETS[name], headers=headers)


@lru_cache(maxsize=len(_ASSETS))
def _asset(name: str) -> bytes:
    """Return a file from memory: anybody may ask for it as often as they like."""
    return (files("fastapi_offline") / "static" / name).read_bytes()


def _door(service: str, path: str) -> str | None:
    match = ROUTES.find(path)
    if match is None or match.is_alias or match.route.owner != service:
        return None
    return match.route.door.admits


def _prefers_json(request: Request) -> bool:
    accepted = request.headers.get("accept", "")
    return "json" in accepted and "yaml" not in accepted
