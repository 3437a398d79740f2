# No postponed annotations here: handlers are made at run time and FastAPI reads their annotations.
"""Declared resources: list, create, retrieve, replace, patch and delete from one line."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, create_model

from chassis.dependencies import Tx
from chassis.identity import needs
from chassis.ids import MAX_ID
from chassis.problems import NotFound
from chassis.wire import NumberedPage, Page, counted, documented_filters
from chassis.wire import filters as read_filters

READ = needs("read")
WRITE = needs("write")


class Operations(Protocol):
    """What a declared resource needs behind it: rows with an attribute per wire member."""

    #: The noun in "No … matches the given query."
    noun: str

    async def find(
        self, tx: Any, *, page: Page, where: Mapping[str, Any]
    ) -> tuple[Sequence[Any], int]:
        """Return one page of rows and the number of all."""
        ...

    async def get(self, tx: Any, row_id: int) -> Any | None:
        """Return a row, or None."""
        ...

    async def add(self, tx: Any, values: Mapping[str, Any]) -> Any:
        """Keep a new row and return it."""
        ...

    async def change(self, tx: Any, row_id: int, values: Mapping[str, Any]) -> Any | None:
        """Change some members of a row and return it, or None."""
        ...

    async def remove(self, tx: Any, row_id: int) -> bool:
        """Delete a row; tell whether there was one."""
        ...


def resource(
    router: APIRouter,
    path: str,
    *,
    body: type[BaseModel],
    wire: type[BaseModel],
    operations: Operations,
    verbs: str = "list create retrieve replace patch delete",
    filters: Mapping[str, type] | None = None,
    scopes: Mapping[str, Any] | None = None,
) -> None:
    """Add a resource's routes: `body` is what clients write, `wire` what they read."""
    chosen = scopes or {}
    reads = [chosen.get("read", READ)]
    writes = [chosen.get("write", WRITE)]
    makers: dict[str, Callable[[], None]] = {
        "list": lambda: _list(router, path, wire, operations, filters or {}, reads),
        "create": lambda: _create(router, path, body, wire, operations, writes),
        "retrieve": lambda: _retrieve(router, path, wire, operations, reads),
        "replace": lambda: _change(router, path, body, wire, operations, writes, "PUT"),
        "patch": lambda: _change(router, path, partial(body), wire, operations, writes, "PATCH"),
        "delete": lambda: _delete(router, path, operations, writes),
    }
    for verb in verbs.split():
        makers[verb]()


def partial(body: type[BaseModel]) -> type[BaseModel]:
    """Return the body with every member optional: what PATCH takes."""
    fields: dict[str, Any] = {
        name: (
            field.rebuild_annotation(),
            Field(default=None, alias=field.alias, validation_alias=field.validation_alias),
        )
        for name, field in body.model_fields.items()
    }
    return create_model(f"Partial{body.__name__}", __base__=body, **fields)


def row_id(text: str, noun: str) -> int:
    """Return a path's id; what is no id names nothing.

    Raises:
        NotFound: the text is not a positive integer of 64 bits.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) <= MAX_ID):
        raise NotFound.of(noun)
    return int(text)


def _list(
    router: APIRouter,
    path: str,
    wire: type[BaseModel],
    operations: Operations,
    kinds: Mapping[str, type],
    guards: list[Any],
) -> None:
    async def find(request: Request, tx: Tx, page: NumberedPage) -> dict[str, Any]:
        where = read_filters(request, **kinds)
        rows, total = await operations.find(tx, page=page, where=where)
        found = [wire.model_validate(row).model_dump(mode="json") for row in rows]
        return counted(request, page, total=total, rows=found)

    router.get(
        path,
        dependencies=guards,
        openapi_extra=documented_filters(**kinds),
        responses={200: {"model": _page_of(wire)}},
    )(find)


def _create(
    router: APIRouter,
    path: str,
    body: type[BaseModel],
    wire: type[BaseModel],
    operations: Operations,
    guards: list[Any],
) -> None:
    async def create(sent: Any, tx: Tx) -> Any:
        return await operations.add(tx, sent.model_dump())

    create.__annotations__["sent"] = body
    router.post(path, status_code=201, response_model=wire, dependencies=guards)(create)


def _retrieve(
    router: APIRouter,
    path: str,
    wire: type[BaseModel],
    operations: Operations,
    guards: list[Any],
) -> None:
    async def retrieve(id: str, tx: Tx) -> Any:
        return _found(await operations.get(tx, row_id(id, operations.noun)), operations)

    router.get(f"{path}/{{id}}", response_model=wire, dependencies=guards)(retrieve)


def _change(
    router: APIRouter,
    path: str,
    body: type[BaseModel],
    wire: type[BaseModel],
    operations: Operations,
    guards: list[Any],
    method: str,
) -> None:
    async def change(id: str, sent: Any, tx: Tx) -> Any:
        values = sent.model_dump(exclude_unset=method == "PATCH")
        return _found(await operations.change(tx, row_id(id, operations.noun), values), operations)

    change.__annotations__["sent"] = body
    router.add_api_route(
        f"{path}/{{id}}", change, methods=[method], response_model=wire, dependencies=guards
    )


def _delete(router: APIRouter, path: str, operations: Operations, guards: list[Any]) -> None:
    async def delete(id: str, tx: Tx) -> Response:
        _found(await operations.remove(tx, row_id(id, operations.noun)) or None, operations)
        return Response(status_code=204)

    router.delete(f"{path}/{{id}}", status_code=204, dependencies=guards)(delete)


def _found(row: Any | None, operations: Operations) -> Any:
    if row is None:
        raise NotFound.of(operations.noun)
    return row


def _page_of(wire: type[BaseModel]) -> type[BaseModel]:
    return create_model(
        f"{wire.__name__}Page",
        count=(int, ...),
        next=(str | None, None),
        previous=(str | None, None),
        results=(list[wire], ...),  # type: ignore[valid-type]
    )


__all__ = ["Operations", "partial", "resource", "row_id"]
