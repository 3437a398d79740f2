"""A small service to try the chassis on: things of a tenant, and a count of what it heard."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import String, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis import crud, wire
from chassis.app import Service
from chassis.database import Database, Transaction
from chassis.subscriptions import each, together
from chassis.tables import Identified, new_metadata
from chassis.tenancy import TenantScoped
from chassis.testing import settings_in
from contracts.interactions import InteractionRecorded
from contracts.tenants import TenantRegistered
from contracts.topics import INTERACTIONS, TENANTS


class Base(DeclarativeBase):
    """Tables of the small service."""

    metadata = new_metadata()


class Thing(Identified, TenantScoped, Base):
    """A thing with a name and a JSON tag."""

    __tablename__ = "thing"

    name: Mapped[str] = mapped_column(String(256))


class ThingIn(wire.Wire):
    """What clients write."""

    name: wire.Name


class ThingOut(ThingIn):
    """What clients read."""

    id: int


class Things:
    """Operations of the declared resource."""

    noun = "Thing"

    async def find(
        self, tx: Transaction, *, page: wire.Page, where: Mapping[str, Any]
    ) -> tuple[Sequence[Thing], int]:
        query = select(Thing).filter_by(**where)
        total = await tx.session.scalar(select(func.count()).select_from(query.subquery()))
        rows = await tx.session.scalars(
            query.order_by(Thing.id).limit(page.size).offset(page.offset)
        )
        return rows.all(), total or 0

    async def get(self, tx: Transaction, row_id: int) -> Thing | None:
        return await tx.session.scalar(select(Thing).where(Thing.id == row_id))

    async def add(self, tx: Transaction, values: Mapping[str, Any]) -> Thing:
        thing = Thing(**values)
        tx.session.add(thing)
        await tx.session.flush()
        tx.emit(
            TenantRegistered(
                tenant_id=tx.tenant_id, occurred_at=tx.clock(), name=thing.name, owner_id=1
            )
        )
        return thing

    async def change(self, tx: Transaction, row_id: int, values: Mapping[str, Any]) -> Thing | None:
        thing = await self.get(tx, row_id)
        for name, value in values.items() if thing else ():
            setattr(thing, name, value)
        await tx.session.flush()
        return thing

    async def remove(self, tx: Transaction, row_id: int) -> bool:
        thing = await self.get(tx, row_id)
        if thing:
            await tx.session.delete(thing)
        return thing is not None


async def registered(event: TenantRegistered, tx: Transaction) -> None:
    """Keep a thing for each tenant that is heard of; refuse one name for good."""
    if event.name == "poison":
        raise ValueError("cannot be handled, ever")
    tx.session.add(Thing(name=event.name))


async def recorded(events: list[InteractionRecorded], tx: Transaction) -> None:
    """Keep a thing for each interaction."""
    for event in events:
        if event.item_id == "poison":
            raise ValueError("cannot be handled, ever")
        tx.session.add(Thing(name=event.item_id))


def build(folder: Path) -> Service:
    """Compose the small service on a database in `folder`."""
    router = wire.router(refusal=400)
    crud.resource(
        router,
        "/api/v1/thing",
        body=ThingIn,
        wire=ThingOut,
        operations=Things(),
        filters={"name": str, "id": int},
    )
    return Service(
        "shop",
        settings_in(folder),
        Database(f"sqlite+aiosqlite:///{folder}/shop.db", Base.metadata),
        routers=[router],
        subscriptions=[
            each(TENANTS, registered, name="tenants", only=(TenantRegistered,)),
            together(INTERACTIONS, recorded, name="interactions"),
        ],
    )
