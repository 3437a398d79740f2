"""`users`, which Recotem and RecommendAI share: numbered ids and pages below `/api/v1/users`,
public ids and RecommendAI's envelope below `/api/users`. API keys are refused on both.
"""

from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request, Response
from pydantic import Field

from chassis.dependencies import Tx
from chassis.identity import CurrentCaller, needs_admin, needs_person
from chassis.wire import (
    CamelPage,
    CamelWire,
    Name,
    NumberedPage,
    Text,
    Wire,
    counted,
    enveloped,
)
from chassis.wire import (
    router as dialect,
)
from gateway.api.parts import PeoplePart, SessionUid, SettingsPart
from gateway.api.person import Email, Password, ShortText, Username, person_out

router = dialect(tags=["users"], dependencies=[Depends(needs_person)])
_ADMIN = [Depends(needs_admin)]
_STAFF = {True: "admin", False: "user"}

NoEmail = Annotated[str, Field(max_length=0)]


class NumberedIn(Wire):
    username: Username
    email: Email | NoEmail = ""
    password: Password
    is_staff: bool = False
    first_name: ShortText = ""
    last_name: ShortText = ""


class NumberedChange(Wire):
    email: Email | NoEmail | None = None
    is_staff: bool | None = None
    is_active: bool | None = None


class ChangePasswordIn(Wire):
    old_password: Password
    new_password: Password
    revoke_keys: bool = False


class ResetPasswordIn(Wire):
    new_password: Password
    revoke_keys: bool = True


class UserIn(CamelWire):
    email: Email
    name: Name
    role: Literal["user", "admin"] = "user"
    is_active: bool = True
    username: Username | None = None


class NewUserIn(UserIn):
    password: Password | None = None


@router.get("/api/v1/users")
async def numbered_list(
    request: Request, tx: Tx, page: NumberedPage, people: PeoplePart, settings: SettingsPart
) -> Any:
    """List the tenant's people for its admins, oneself for others."""
    found, total = await people.find(tx, offset=page.offset, limit=page.size)
    rows = [person_out(person, public_id=False) for person in found]
    if settings.recotem_compat:
        return rows
    return counted(request, page, total=total, rows=rows)


@router.post("/api/v1/users", status_code=201, dependencies=_ADMIN)
async def numbered_create(
    body: NumberedIn, caller: CurrentCaller, people: PeoplePart
) -> dict[str, Any]:
    """Add a person to the tenant."""
    name = f"{body.first_name} {body.last_name}".strip() or body.username
    values = {
        **body.model_dump(exclude={"password", "is_staff"}),
        "name": name,
        "role": _STAFF[body.is_staff],
        "is_active": True,
    }
    person, _ = await people.create(caller, values, password=body.password)
    return person_out(person, public_id=False)


@router.post("/api/v1/users/change_password")
@router.post("/api/v1/users/{id}/change_password")
async def change_password(
    body: ChangePasswordIn,
    caller: CurrentCaller,
    people: PeoplePart,
    session: SessionUid,
    id: str | None = None,
) -> dict[str, Any]:
    """Change one's own password; other sessions end, API keys stay unless `revoke_keys` is true."""
    people.refuse_others(caller, id)
    revoked = await people.change_password(
        caller,
        body.new_password,
        old=body.old_password,
        field="new_password",
        session=session,
        revoke_keys=body.revoke_keys,
    )
    return {"detail": "Password changed successfully.", "revoked_keys": revoked}


@router.get("/api/v1/users/{id}")
async def numbered_retrieve(id: str, tx: Tx, people: PeoplePart) -> dict[str, Any]:
    """Return a person."""
    return person_out(await people.get(tx, id), public_id=False)


@router.patch("/api/v1/users/{id}", dependencies=_ADMIN)
async def numbered_change(
    id: str, body: NumberedChange, tx: Tx, people: PeoplePart
) -> dict[str, Any]:
    """Change a person's address, role or state."""
    values: dict[str, Any] = body.model_dump(exclude_none=True, exclude={"is_staff"})
    if body.is_staff is not None:
        values["role"] = _STAFF[body.is_staff]
    return person_out(await people.change(tx, id, values), public_id=False)


@router.post("/api/v1/users/{id}/deactivate", dependencies=_ADMIN)
async def deactivate(id: str, tx: Tx, people: PeoplePart) -> dict[str, Any]:
    """Keep a person out."""
    return person_out(await people.change(tx, id, {"is_active": False}), public_id=False)


@router.post("/api/v1/users/{id}/activate", dependencies=_ADMIN)
async def activate(id: str, tx: Tx, people: PeoplePart) -> dict[str, Any]:
    """Let a person in again."""
    return person_out(await people.change(tx, id, {"is_active": True}), public_id=False)


@router.post("/api/v1/users/{id}/reset_password", dependencies=_ADMIN)
async def reset_password(
    id: str, body: ResetPasswordIn, caller: CurrentCaller, people: PeoplePart
) -> dict[str, Any]:
    """Give a person another password; their sessions end, and their API keys are revoked unless
    `revoke_keys` is false.
    """
    revoked = await people.reset_password(
        caller, id, body.new_password, revoke_keys=body.revoke_keys
    )
    return {"detail": "Password has been reset.", "revoked_keys": revoked}


@router.get("/api/users", dependencies=_ADMIN)
async def list_users(
    tx: Tx,
    page: CamelPage,
    people: PeoplePart,
    search: Annotated[Text, Query(max_length=256)] = "",
) -> dict[str, Any]:
    """List the tenant's people; `search` looks into names and addresses."""
    found, total = await people.find(tx, offset=page.offset, limit=page.size, search=search)
    rows = [person_out(person, public_id=True) for person in found]
    return enveloped(page, total=total, rows=rows)


@router.post("/api/users", status_code=201, dependencies=_ADMIN)
async def create_user(body: NewUserIn, caller: CurrentCaller, people: PeoplePart) -> dict[str, Any]:
    """Add a person to the tenant; without a password, answer an invitation for them."""
    values = body.model_dump(exclude={"password", "username"})
    values["username"] = body.username or body.email
    person, invitation = await people.create(caller, values, password=body.password)
    invited = {"invitation": invitation} if invitation else {}
    return person_out(person, public_id=True) | invited


@router.get("/api/users/{id}")
async def get_user(id: str, tx: Tx, people: PeoplePart) -> dict[str, Any]:
    """Return a person."""
    return person_out(await people.get(tx, id), public_id=True)


@router.put("/api/users/{id}", dependencies=_ADMIN)
async def replace_user(id: str, body: UserIn, tx: Tx, people: PeoplePart) -> dict[str, Any]:
    """Change a person."""
    # Null is no username: as where none is sent, it stays as it is.
    values = body.model_dump(exclude_unset=True, exclude_none=True)
    return person_out(await people.change(tx, id, values), public_id=True)


@router.delete("/api/users/{id}", status_code=204, dependencies=_ADMIN)
async def delete_user(id: str, tx: Tx, people: PeoplePart) -> Response:
    """Delete a person for ever, with everything that is known about them."""
    await people.erase(tx, id)
    return Response(status_code=204)


@router.patch("/api/users/{id}/toggle-status", dependencies=_ADMIN)
async def toggle_status(id: str, tx: Tx, people: PeoplePart) -> dict[str, Any]:
    """Keep a person out, or let them in again."""
    return person_out(await people.toggle(tx, id), public_id=True)
