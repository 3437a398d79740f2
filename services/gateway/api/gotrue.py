"""`auth/v1`: the part of GoTrue that RecommendAI's clients speak. Errors also carry `msg` and
`error_code`.
"""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, ClassVar, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from chassis.dependencies import Tx
from chassis.identity import CurrentCaller, needs_person
from chassis.problems import Invalid, Malformed, Problem, Unauthenticated
from chassis.validation import REQUIRED
from chassis.wire import BadRequestRoute, JsonObject, Text, Wire
from gateway.api.parts import (
    NetworkPart,
    PeoplePart,
    RegistrationPart,
    RingPart,
    SessionsPart,
    SessionUid,
)
from gateway.api.person import Email, Password
from gateway.domain.people import Person
from gateway.operations.sessions import SignedIn

_CODES = {
    "VALIDATION_ERROR": "validation_failed",
    "INVALID_REQUEST": "bad_json",
    "CONFLICT": "user_already_exists",
    "UNAUTHENTICATED": "no_authorization",
}


class _GoTrueRoute(BadRequestRoute):
    """A route whose errors GoTrue's clients understand."""

    refusal: ClassVar[int] = 400

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except Problem as problem:
                code = _CODES.get(problem.code_constant, problem.code_constant.lower())
                problem.members.setdefault("error_code", code)
                problem.members.setdefault("msg", problem.detail)
                raise

        return handled


router = APIRouter(route_class=_GoTrueRoute, tags=["auth/v1"])


class GrantIn(Wire):
    email: Annotated[Text, Field(max_length=320)] | None = None
    password: Password | None = None
    refresh_token: Annotated[str, Field(max_length=16_384)] | None = None


class SignUpIn(Wire):
    email: Email
    password: Password
    data: JsonObject = Field(default_factory=dict)


@router.post("/auth/v1/token")
async def token(
    body: GrantIn,
    sessions: SessionsPart,
    network: NetworkPart,
    grant_type: Annotated[str, Query()] = "",
) -> dict[str, Any]:
    """Exchange a password or a refresh token for tokens."""
    if grant_type == "password":
        return _spelled(await _by_password(body, sessions, network))
    if grant_type == "refresh_token":
        return _spelled(await _by_refresh(body, sessions))
    raise Malformed("unsupported_grant_type", members={"error_code": "unsupported_grant_type"})


async def _by_password(body: GrantIn, sessions: SessionsPart, network: str) -> SignedIn:
    if not body.email or body.password is None:
        missing = "password" if body.email else "email"
        raise Invalid(fields={missing: [REQUIRED]})
    try:
        return await sessions.sign_in(body.password, network=network, email=body.email)
    except Unauthenticated as error:
        raise Malformed(
            "Invalid login credentials",
            code="INVALID_CREDENTIALS",
            members={"error_code": "invalid_credentials"},
        ) from error


async def _by_refresh(body: GrantIn, sessions: SessionsPart) -> SignedIn:
    if not body.refresh_token:
        raise Invalid(fields={"refresh_token": [REQUIRED]})
    try:
        return await sessions.refresh(body.refresh_token)
    except Unauthenticated as error:
        raise Malformed(
            "Invalid Refresh Token: Refresh Token Not Found",
            code="REFRESH_TOKEN_NOT_FOUND",
            members={"error_code": "refresh_token_not_found"},
        ) from error


@router.post("/auth/v1/signup")
async def sign_up(
    body: SignUpIn, registration: RegistrationPart, sessions: SessionsPart
) -> dict[str, Any]:
    """Make a new tenant with its first admin, signed in at once."""
    name = body.data.get("name") or body.data.get("full_name") or ""
    person = await registration.register(
        email=body.email, password=body.password, name=str(name)[:256]
    )
    return _spelled(await sessions.begin(person))


@router.get("/auth/v1/user", dependencies=[Depends(needs_person)])
async def user(tx: Tx, caller: CurrentCaller, people: PeoplePart) -> dict[str, Any]:
    """Return one's own account."""
    return user_out(await people.myself(tx, caller))


@router.post("/auth/v1/logout", status_code=204, dependencies=[Depends(needs_person)])
async def logout(
    caller: CurrentCaller,
    sessions: SessionsPart,
    session: SessionUid,
    scope: Literal["global", "local", "others"] = "global",
) -> Response:
    """End all of one's sessions, this one, or the others."""
    if scope == "local" and session is not None:
        await sessions.end(session)
    else:
        await sessions.end_of(caller, but=session if scope == "others" else None)
    return Response(status_code=204)


@router.get("/auth/v1/.well-known/jwks.json")
@router.get("/.well-known/jwks.json")
async def key_set(ring: RingPart, response: Response) -> dict[str, Any]:
    """Return the keys that tokens are signed with."""
    response.headers["Cache-Control"] = "public, max-age=60"
    return ring.published()


def user_out(person: Person) -> dict[str, Any]:
    """Return a person as GoTrue spells one."""
    return {
        "id": person.uid,
        "aud": "authenticated",
        "role": "authenticated",
        "email": person.email,
        "email_confirmed_at": person.created_at,
        "last_sign_in_at": person.last_login_at,
        "app_metadata": {
            "provider": "email",
            "providers": ["email"],
            "tenant_id": person.tenant_id,
            "role": person.role,
        },
        "user_metadata": {"name": person.name, "username": person.username},
        "created_at": person.created_at,
        "updated_at": person.last_login_at or person.created_at,
    }


def _spelled(signed_in: SignedIn) -> dict[str, Any]:
    return {
        "access_token": signed_in.access,
        "token_type": "bearer",
        "expires_in": signed_in.access_lifetime,
        "expires_at": int(signed_in.access_expires_at.timestamp()),
        "refresh_token": signed_in.refresh,
        "user": user_out(signed_in.person),
    }
