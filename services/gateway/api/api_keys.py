"""`api_keys`: keys of projects. People manage them; keys never do."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BeforeValidator, Field

from chassis import crud
from chassis.dependencies import Tx
from chassis.identity import CurrentCaller, needs_person
from chassis.wire import Key, Name, Wire
from chassis.wire import router as dialect
from contracts.moments import Instant
from gateway.api.parts import ApiKeysPart, SessionUid
from gateway.domain.keys import scope_complaint
from gateway.operations.api_keys import ApiKeys

_PATH = "/api/v1/api_keys"


def _known_scopes(value: Any) -> Any:
    complaint = scope_complaint(value)
    if complaint:
        raise ValueError(complaint)
    return list(dict.fromkeys(value))


Scopes = Annotated[list[str], BeforeValidator(_known_scopes)]


class ApiKeyIn(Wire):
    project: Key
    name: Name
    scopes: Scopes = Field(default_factory=list)
    expires_at: Instant | None = None


class PartialApiKeyIn(ApiKeyIn):
    # Never used: what is not sent is not changed.
    project: Key = Field(default_factory=int)
    name: Name = Field(default_factory=str)


class ApiKeyOut(Wire):
    id: int
    project: int
    name: str
    scopes: list[str]
    expires_at: datetime | None
    ins_datetime: datetime
    key_prefix: str
    is_active: bool
    last_used_at: datetime | None


class NewApiKeyOut(ApiKeyOut):
    key: str


def routes(operations: ApiKeys) -> APIRouter:
    """Return the router; the operations hold the memory of revoked keys, so they are made once."""
    router = dialect(tags=["api_keys"], dependencies=[Depends(needs_person)])
    people_only = {"read": Depends(needs_person), "write": Depends(needs_person)}
    crud.resource(
        router,
        _PATH,
        body=ApiKeyIn,
        wire=ApiKeyOut,
        operations=operations,  # type: ignore[arg-type]
        verbs="list retrieve delete",
        filters={"project": int},
        scopes=people_only,
    )
    router.post(_PATH, status_code=201)(create)
    router.put(f"{_PATH}/{{id}}")(replace)
    router.patch(f"{_PATH}/{{id}}")(change)
    router.post(f"{_PATH}/{{id}}/revoke")(revoke)
    return router


async def create(
    body: ApiKeyIn, caller: CurrentCaller, keys: ApiKeysPart, session: SessionUid
) -> NewApiKeyOut:
    """Make a key; this answer is the only one that shows it."""
    key, secret = await keys.create(caller, body.model_dump(), session=session)
    return NewApiKeyOut(**ApiKeyOut.model_validate(key).model_dump(), key=secret)


async def replace(id: str, body: ApiKeyIn, caller: CurrentCaller, keys: ApiKeysPart) -> ApiKeyOut:
    """Change a key's project, name, scopes and expiry."""
    row = crud.row_id(id, keys.noun)
    return ApiKeyOut.model_validate(await keys.change(caller, row, body.model_dump()))


async def change(
    id: str, body: PartialApiKeyIn, caller: CurrentCaller, keys: ApiKeysPart
) -> ApiKeyOut:
    """Change some of a key's members."""
    row = crud.row_id(id, keys.noun)
    values = body.model_dump(exclude_unset=True)
    return ApiKeyOut.model_validate(await keys.change(caller, row, values))


async def revoke(id: str, tx: Tx, keys: ApiKeysPart) -> dict[str, str]:
    """Make a key worthless; it stays listed."""
    await keys.revoke(tx, crud.row_id(id, keys.noun))
    return {"status": "revoked"}
