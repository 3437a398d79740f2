"""`tenant`: the end of one's own tenant, and `tenant_deletion`: how far that has come."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, Header

from chassis.identity import CurrentCaller, needs_admin
from chassis.wire import Wire
from chassis.wire import router as dialect
from gateway.api.parts import DeletionsPart, NetworkPart
from gateway.api.person import Password

router = dialect(tags=["tenant"])

ReceiptToken = Annotated[str | None, Header(max_length=256)]


class DeleteIn(Wire):
    password: Password


class BegunOut(Wire):
    tenant_id: str
    deleted_at: datetime
    receipt_token: str


class ReceiptOut(Wire):
    service: str
    erased_at: datetime
    erased: dict[str, int]


class DeletionOut(Wire):
    tenant_id: str
    deleted_at: datetime
    state: Literal["erasing", "erased"]
    missing: list[str]
    receipts: list[ReceiptOut]


@router.delete("/api/v1/tenant", status_code=202, dependencies=[Depends(needs_admin)])
async def delete_tenant(
    body: DeleteIn, caller: CurrentCaller, deletions: DeletionsPart, network: NetworkPart
) -> BegunOut:
    """Delete one's tenant for ever, with all that it has. Nobody of it is let in any more; behind
    that the services erase what they hold. `receipt_token` shows how far they are.
    """
    begun = await deletions.delete(caller, body.password, network=network)
    return BegunOut(
        tenant_id=begun.tenant_id, deleted_at=begun.deleted_at, receipt_token=begun.token
    )


@router.get("/api/v1/tenant_deletion")
async def deletion(deletions: DeletionsPart, receipt_token: ReceiptToken = None) -> dict[str, Any]:
    """Return how far a deletion has come, to whoever shows its token in `Receipt-Token`."""
    found = await deletions.shown_by(receipt_token)
    return DeletionOut.model_validate(found).model_dump()
