"""`/api/items` (RecommendAI): the tenant's catalogue."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Query, Response
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from catalog.domain.items import Draft, Item
from catalog.operations import items
from catalog.operations.items import Taken
from chassis.dependencies import Tx
from chassis.identity import of_default
from chassis.ids import new_uid
from chassis.paths import decoded
from chassis.problems import Conflict, Invalid, NotFound
from chassis.reading import documented_rows
from chassis.validation import problem_of
from chassis.wire import CamelPage, CamelWire, JsonObject, Text, enveloped, router
from contracts.identifiers import Identifier

items_router = router(tags=["items"])

_READ = [of_default("read")]
_WRITE = [of_default("write")]
_MOST = 1000
_PATH = "/api/items/{id:path}"

# An id that no item can have is not found, before a database meets it. Items that are older than
# the rule on ids have some that no new one gets.
ItemId = Annotated[
    str,
    Path(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$"),
    BeforeValidator(decoded),
]
Flag = Annotated[bool, Field(strict=True)]


class ItemBody(CamelWire):
    metadata: JsonObject
    is_active: Flag = True


class ItemIn(ItemBody):
    id: Identifier | None = None

    def to_domain(self) -> Draft:
        item_id = self.id or new_uid()
        return Draft(item_id=item_id, metadata=self.metadata, is_active=self.is_active)


class ItemPatch(CamelWire):
    # Absent is None here and null is refused: what is not sent stays as it is.
    metadata: JsonObject = None  # type: ignore[assignment]
    is_active: Flag = None  # type: ignore[assignment]


class ItemOut(CamelWire):
    id: str
    item_id: str
    tenant_id: str
    metadata: dict[str, Any]
    is_active: bool
    revision: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_domain(cls, item: Item) -> "ItemOut":
        return cls(
            id=item.item_id,
            item_id=item.item_id,
            tenant_id=item.tenant_id,
            metadata=item.metadata,
            is_active=item.is_active,
            revision=item.revision,
            created_at=item.created_at,
            updated_at=item.updated_at,
        )


class ItemPage(CamelWire):
    data: list[ItemOut]
    total: int
    page: int
    page_size: int


class BulkIn(CamelWire):
    items: Annotated[list[Any], Field(max_length=_MOST)]


class BulkRow(CamelWire):
    index: int
    id: str | None
    status: str
    code: str | None = None
    errors: dict[str, list[str]] = Field(default_factory=dict)


class BulkOut(CamelWire):
    created: int
    failed: int
    results: list[BulkRow]


_ROW = TypeAdapter(ItemIn)


@items_router.get("/api/items", dependencies=_READ)
async def find(
    tx: Tx, page: CamelPage, search: Annotated[Text, Query(max_length=256)] = ""
) -> ItemPage:
    """List the items in whose metadata or id every word of the search occurs."""
    rows, total = await items.find(tx, page=page, search=search)
    found = [ItemOut.from_domain(row) for row in rows]
    return ItemPage.model_validate(enveloped(page, total=total, rows=found))


@items_router.post("/api/items", status_code=201, dependencies=_WRITE)
async def add(body: ItemIn, tx: Tx) -> ItemOut:
    """Add an item; without an id it gets one."""
    return ItemOut.from_domain(await items.add(tx, body.to_domain()))


@items_router.post(
    "/api/items/bulk",
    status_code=201,
    dependencies=_WRITE,
    openapi_extra=documented_rows("items", ItemIn, at_most=_MOST),
)
async def add_all(body: BulkIn, tx: Tx) -> BulkOut:
    """Add up to 1,000 items; each row that is refused says why, the others are kept."""
    rows: dict[int, BulkRow] = {}
    drafts: dict[int, Draft] = {}
    for n, sent in enumerate(body.items):
        try:
            drafts[n] = _ROW.validate_python(sent).to_domain()
        except ValidationError as error:
            rows[n] = _refused(n, sent, error)
    kept = await items.add_all(tx, list(drafts.values()))
    rows |= {n: _row(n, outcome) for n, outcome in zip(drafts, kept, strict=True)}
    return _answer([rows[n] for n in sorted(rows)])


@items_router.get(_PATH, dependencies=_READ)
async def get(id: ItemId, tx: Tx) -> ItemOut:
    """Return an item."""
    return _found(await items.get(tx, id))


@items_router.put(_PATH, dependencies=_WRITE)
async def replace(id: ItemId, body: ItemBody, tx: Tx) -> ItemOut:
    """Replace an item's metadata and state."""
    return _found(await items.change(tx, id, body.model_dump()))


@items_router.patch(_PATH, dependencies=_WRITE)
async def change(id: ItemId, body: ItemPatch, tx: Tx) -> ItemOut:
    """Change what is sent; metadata is replaced as a whole."""
    return _found(await items.change(tx, id, body.model_dump(exclude_unset=True)))


@items_router.delete(_PATH, status_code=204, dependencies=_WRITE)
async def remove(id: ItemId, tx: Tx) -> Response:
    """Delete an item from the catalogue; what happened with it stays."""
    if not await items.remove(tx, id):
        raise NotFound.of(items.noun)
    return Response(status_code=204)


def _found(item: Item | None) -> ItemOut:
    if item is None:
        raise NotFound.of(items.noun)
    return ItemOut.from_domain(item)


def _row(n: int, outcome: Item | Taken) -> BulkRow:
    if isinstance(outcome, Item):
        return BulkRow(index=n, id=outcome.item_id, status="created")
    messages = {"id": [outcome.message]}
    return BulkRow(
        index=n, id=outcome.item_id, status="failed", code=Conflict.code, errors=messages
    )


def _refused(n: int, sent: Any, error: ValidationError) -> BulkRow:
    located = [{**each, "loc": ("body", *each["loc"])} for each in error.errors()]
    fields = {name: list(texts) for name, texts in problem_of(located).fields.items()}
    return BulkRow(
        index=n,
        id=None if "id" in fields or not isinstance(sent, dict) else sent.get("id"),
        status="failed",
        code=Invalid.code,
        errors=fields,
    )


def _answer(rows: Sequence[BulkRow]) -> BulkOut:
    """Return the answer.

    Raises:
        Invalid: no row at all was fit to be kept.
    """
    failed = [row for row in rows if row.status == "failed"]
    if failed and len(failed) == len(rows):
        raise Invalid(
            "None of the items was kept.",
            fields={
                f"items.{row.index}.{name}": texts
                for row in failed
                for name, texts in row.errors.items()
            },
            members={"results": [row.model_dump(mode="json", by_alias=True) for row in rows]},
        )
    return BulkOut(created=len(rows) - len(failed), failed=len(failed), results=list(rows))
