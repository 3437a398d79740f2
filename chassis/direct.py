"""Calls what takes a bare request without the router: resolving nothing should cost nothing.

FastAPI matches every route in turn, opens two exit stacks and resolves dependencies for each
request, which takes longer than many an answer. Routes without parameters and dependencies need
none of that. They stay in the router all the same: it documents them, and answers other methods.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import cast

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.wire import Dialect, Handle

_Answer = Callable[[Request, Exception], Awaitable[Response]]


class Direct:
    """A layer around an application that answers for some of its routes."""

    def __init__(self, app: ASGIApp, *, routers: Iterable[APIRouter]) -> None:
        """Find the routes of these routers that can be called as they are."""
        self._app = app
        self._routes = {
            (method, route.path): (route, route.bare)
            for router in routers
            for route in router.routes
            if isinstance(route, Dialect) and route.bare is not None
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        found = None
        if scope["type"] == "http":
            found = self._routes.get((scope["method"], scope["path"]))
        if found is None:
            await self._app(scope, receive, send)
            return
        await _answered(*found, scope, receive, send)


async def _answered(
    route: BaseRoute, handle: Handle, scope: Scope, receive: Receive, send: Send
) -> None:
    scope["route"] = route
    request = Request(scope, receive, send)
    try:
        response = await handle(request)
    except Exception as error:
        answer = _answer_to(error, scope["app"])
        if answer is None:
            raise
        response = await answer(request, error)
    await response(scope, receive, send)


def _answer_to(error: Exception, app: FastAPI) -> _Answer | None:
    """Return the application's handler for an error of this class, as its router would."""
    handlers = cast(Mapping[object, _Answer], app.exception_handlers)
    return next((handlers[kind] for kind in type(error).__mro__ if kind in handlers), None)
