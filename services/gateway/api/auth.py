"""`auth`, a segment that Recotem and RecommendAI share: registering, signing in and out, one's own
account.
"""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from pydantic import Field

from chassis.dependencies import Tx
from chassis.identity import CurrentCaller, needs_person
from chassis.problems import Invalid, Unauthenticated
from chassis.validation import REQUIRED
from chassis.wire import Name, Text, Wire
from chassis.wire import router as dialect
from gateway.api.cookies import CookiesPart
from gateway.api.parts import (
    NetworkPart,
    PeoplePart,
    RegistrationPart,
    SessionsPart,
    SessionUid,
    SettingsPart,
)
from gateway.api.person import Email, Password, ShortText, Username, person_out
from gateway.operations.tokens import not_valid

router = dialect(tags=["auth"])

Login = Annotated[Text, Field(max_length=320)]
Token = Annotated[str, Field(max_length=16_384)]


class LoginIn(Wire):
    email: Login | None = None
    username: Login | None = None
    password: Password


class RegisterIn(Wire):
    email: Email | None = None
    username: Username | None = None
    name: Name | None = None
    password: Password
    invitation: Token | None = None


class RefreshIn(Wire):
    refresh: Token | None = None


class VerifyIn(Wire):
    token: Token


class AccountIn(Wire):
    username: Username | None = None
    first_name: ShortText | None = None
    last_name: ShortText | None = None
    name: Name | None = None


class NewPasswordIn(Wire):
    new_password1: Password
    new_password2: Password
    old_password: Password | None = None
    revoke_keys: bool = False


class RefreshOut(Wire):
    access: str
    refresh: str
    access_expiration: datetime


@router.post("/api/v1/auth/register", status_code=201)
@router.post("/api/auth/register", status_code=201)
async def register(body: RegisterIn, registration: RegistrationPart) -> dict[str, Any]:
    """Make a new tenant with its first admin, or accept an invitation."""
    if body.invitation:
        person = await registration.accept(
            body.invitation, password=body.password, name=body.name or ""
        )
        return person_out(person, public_id=True)
    if body.email is None:
        raise Invalid(fields={"email": [REQUIRED]})
    person = await registration.register(
        email=body.email, password=body.password, name=body.name or "", username=body.username
    )
    return person_out(person, public_id=True)


@router.post("/api/v1/auth/login")
@router.post("/api/auth/login")
async def login(
    body: LoginIn,
    sessions: SessionsPart,
    cookies: CookiesPart,
    network: NetworkPart,
    response: Response,
) -> dict[str, Any]:
    """Exchange a password for tokens, in the body and in cookies; from a page of another origin, in
    the body alone.
    """
    if not (body.email or body.username):
        raise Invalid(fields={"email": [REQUIRED], "username": [REQUIRED]})
    try:
        signed_in = await sessions.sign_in(
            # A username may also be the address.
            body.password,
            network=network,
            email=body.email or body.username,
            username=body.username,
        )
    except Unauthenticated as error:
        if body.username:
            raise Invalid(fields={"non_field_errors": [error.detail]}) from error
        raise
    cookies.give(response, signed_in)
    return {
        "token": signed_in.access,
        "access": signed_in.access,
        "refresh": signed_in.refresh,
        "access_expiration": signed_in.access_expires_at,
        "refresh_expiration": signed_in.refresh_expires_at,
        "user": person_out(signed_in.person, public_id=True),
    }


@router.post("/api/v1/auth/logout", dependencies=[Depends(needs_person)])
async def logout(
    sessions: SessionsPart, cookies: CookiesPart, session: SessionUid, response: Response
) -> dict[str, str]:
    """End the session, its access tokens included."""
    if session is not None:
        await sessions.end(session)
    cookies.take_back(response)
    return {"detail": "Successfully logged out."}


@router.post("/api/v1/auth/token/refresh")
async def refresh(
    sessions: SessionsPart,
    cookies: CookiesPart,
    response: Response,
    body: RefreshIn | None = None,
) -> RefreshOut:
    """Exchange a refresh token, from the body or its cookie, for fresh tokens."""
    token = (body.refresh if body else None) or cookies.refresh_token()
    if not token:
        raise not_valid()
    signed_in = await sessions.refresh(token)
    cookies.give(response, signed_in)
    return RefreshOut(
        access=signed_in.access,
        refresh=signed_in.refresh,
        access_expiration=signed_in.access_expires_at,
    )


@router.post("/api/v1/auth/token/verify")
async def verify(body: VerifyIn, sessions: SessionsPart) -> dict[str, Any]:
    """Tell whether a token is still worth something."""
    await sessions.verify(body.token)
    return {}


@router.get("/api/v1/auth/user")
async def account(tx: Tx, caller: CurrentCaller, people: PeoplePart) -> dict[str, Any]:
    """Return one's own account; an API key's is that of its owner."""
    return person_out(await people.myself(tx, caller), public_id=True)


@router.put("/api/v1/auth/user", dependencies=[Depends(needs_person)])
@router.patch("/api/v1/auth/user", dependencies=[Depends(needs_person)])
async def change_account(
    body: AccountIn, tx: Tx, people: PeoplePart, request: Request
) -> dict[str, Any]:
    """Change one's own names."""
    if request.method == "PUT" and body.username is None:
        raise Invalid(fields={"username": [REQUIRED]})
    values = body.model_dump(exclude_none=True)
    return person_out(await people.change_oneself(tx, values), public_id=True)


@router.post("/api/v1/auth/password/change", dependencies=[Depends(needs_person)])
async def change_password(
    body: NewPasswordIn,
    caller: CurrentCaller,
    people: PeoplePart,
    session: SessionUid,
    settings: SettingsPart,
) -> dict[str, Any]:
    """Change one's own password; other sessions end, API keys stay unless `revoke_keys` is true.

    Five minutes after the log-in, `old_password` is required.
    """
    if body.new_password1 != body.new_password2:
        raise Invalid(fields={"new_password2": ["The two password fields didn't match."]})
    revoked = await people.change_password(
        caller,
        body.new_password1,
        old=body.old_password,
        field="new_password2",
        session=session,
        needs_old=not settings.recotem_compat,
        revoke_keys=body.revoke_keys,
    )
    return {"detail": "New password has been saved.", "revoked_keys": revoked}
