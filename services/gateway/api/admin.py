"""`admin`: the operator's page, in words: the services, their versions and what waits."""

import html
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from chassis.problems import Unauthenticated
from chassis.wire import Text
from gateway.api.cookies import CookiesPart
from gateway.api.parts import NetworkPart, ProbesPart, RememberedPart, SessionsPart
from gateway.forwarding import incoming
from gateway.forwarding.probes import Readiness

router = APIRouter(tags=["admin"], include_in_schema=False)

_STYLE = (
    "body{font:16px sans-serif;max-width:48rem;margin:3rem auto;padding:0 1rem}"
    "td,th{padding:.3rem 1rem .3rem 0;text-align:left}label{display:block;margin:.6rem 0}"
)
_HEAD = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Millrace</title>'
    f"<style>{_STYLE}</style><h1>Millrace</h1>"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "X-Frame-Options": "DENY",
}


@router.get("/admin")
async def page(request: Request, probes: ProbesPart, remembered: RememberedPart) -> HTMLResponse:
    """Show the services to the operator, and a form to everybody else."""
    if not await _is_operator(request, remembered):
        return _form()
    return _table(await probes.look())


@router.post("/admin/login")
async def login(
    sessions: SessionsPart,
    cookies: CookiesPart,
    network: NetworkPart,
    username: Annotated[Text, Form(max_length=320)],
    password: Annotated[str, Form(max_length=4096)],
) -> Response:
    """Sign the operator in."""
    cookies.refuse_foreign()
    try:
        signed_in = await sessions.sign_in(
            password, network=network, email=username, username=username
        )
    except Unauthenticated:
        return _form("Unable to log in with provided credentials.", status=401)
    answer = RedirectResponse("/admin/", status_code=303)
    cookies.give(answer, signed_in)
    return answer


async def _is_operator(request: Request, remembered: RememberedPart) -> bool:
    try:
        known = await remembered.of(incoming.read(request.headers.raw))
    except Unauthenticated:
        return False
    return known is not None and known.identity.caller.is_operator


def _form(complaint: str = "", *, status: int = 200) -> HTMLResponse:
    return _page(
        f"<p>{html.escape(complaint)}</p>"
        '<form method="post" action="/admin/login">'
        '<label>Username <input name="username" autocomplete="username" required></label>'
        '<label>Password <input name="password" type="password" '
        'autocomplete="current-password" required></label><button>Sign in</button></form>',
        status=status,
    )


def _table(found: dict[str, Readiness]) -> HTMLResponse:
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{'yes' if each.ready else 'no'}</td>"
        f"<td>{html.escape(each.version or '-')}</td>"
        f"<td>{'-' if each.lag is None else each.lag}</td></tr>"
        for name, each in found.items()
    )
    return _page(
        "<table><tr><th>Service</th><th>Ready</th><th>Version</th><th>Lag</th></tr>"
        f'{rows}</table><p><a href="/api/v1/schema/swagger-ui/">API</a></p>'
    )


def _page(body: str, *, status: int = 200) -> HTMLResponse:
    return HTMLResponse(f"{_HEAD}{body}</html>", status, headers=_HEADERS)
