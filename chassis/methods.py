"""HEAD and OPTIONS for every route, and what `Allow` says of a path."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.responses import StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.edge import send_problem
from chassis.metadata import metadata_of
from chassis.problems import MethodNotAllowed

_ORDER = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
#: Marks the scope of a request that is answered as a GET, but for its body.
_HEAD_ONLY = "millrace_head_only"


class Methods:
    """Which methods a service takes at which path."""

    def __init__(self, routers: Iterable[APIRouter]) -> None:
        """Take the routes of these routers, in the order in which they are tried."""
        self._routes = [
            route for router in routers for route in router.routes if isinstance(route, Route)
        ]

    def routes_at(self, path: str) -> list[Route]:
        """Return the routes that a path leads to, whatever the method."""
        return [route for route in self._routes if route.path_regex.match(path)]

    def at(self, path: str) -> list[str]:
        """Return the methods that a path takes; none where there is nothing."""
        found = {method for route in self.routes_at(path) for method in route.methods or ()}
        if not found:
            return []
        found |= {"OPTIONS", "HEAD"} if "GET" in found else {"OPTIONS"}
        return [method for method in _ORDER if method in found]

    def refusal(self, method: str, path: str) -> MethodNotAllowed:
        """Return the refusal of a method that a path does not take."""
        headers = {"Allow": ", ".join(self.at(path))}
        return MethodNotAllowed(f'Method "{method}" not allowed.', headers=headers)


class SafeMethods:
    """A layer that answers HEAD as the application answers GET, and OPTIONS by itself."""

    def __init__(self, app: ASGIApp, *, methods: Methods) -> None:
        """Stand around an application that takes these methods."""
        self._app = app
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        method = scope["method"] if scope["type"] == "http" else ""
        if method == "HEAD":
            await self._head(scope, receive, send)
        elif method == "OPTIONS" and (routes := self._methods.routes_at(scope["path"])):
            scope["route"] = routes[0]
            answer = await self._described(scope["app"], routes[0].path, scope["path"])
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        taken = self._methods.at(scope["path"])
        if taken and "HEAD" not in taken:
            await send_problem(self._methods.refusal("HEAD", scope["path"]), scope, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
            elif not message.get("more_body", False):
                await send({"type": "http.response.body", "body": b""})

        inner = dict(scope, method="GET", **{_HEAD_ONLY: True})
        await self._app(inner, receive, without_body)
        if "route" in inner:
            scope["route"] = inner["route"]

    async def _described(self, app: FastAPI, template: str, path: str) -> Response:
        """Say what a path takes and, where the OPTIONS document knows it, what for."""
        allow = {"Allow": ", ".join(self._methods.at(path))}
        document: Mapping[str, Any] = await asyncio.to_thread(app.openapi)
        if template not in document["paths"]:
            return Response(status_code=204, headers=allow)
        return JSONResponse(metadata_of(document, template), headers=allow)


def without_stream(request: Request, response: Response) -> Response:
    """Return the answer to a request; to HEAD, one that does not fetch what it would not send."""
    if _HEAD_ONLY not in request.scope or not isinstance(response, StreamingResponse):
        return response
    bare = Response(status_code=response.status_code)
    bare.raw_headers = response.raw_headers
    return bare
