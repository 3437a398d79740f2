"""What every service's tables are made of: named constraints, keys, moments, outbox, inbox and
deleted tenants.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Mapped, mapped_column

from chassis import deleted_tenants, inbox, outbox
from chassis.identity import AllBut
from chassis.ids import new_uid

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

#: A 64-bit integer key that counts up by itself on both engines.
BigKey = BigInteger().with_variant(Integer, "sqlite")

#: Text of any length, for columns that hold what tenants write.
LongText = Text


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime with microseconds, on every engine."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store in UTC; a naive datetime is a mistake of ours."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Read back aware: SQLite forgets the zone."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def new_metadata() -> MetaData:
    """Return the metadata for one service's tables: names for constraints, outbox, inbox
    and deleted tenants.
    """
    metadata = MetaData(naming_convention=NAMING)
    outbox.define(metadata)
    inbox.define(metadata)
    deleted_tenants.define(metadata)
    return metadata


class Identified:
    """Mixin: an integer `id`, never used twice, and a public `uid`."""

    # SQLAlchemy declares this as an instance variable, so subclasses could not override a ClassVar.
    __table_args__: Any = {"sqlite_autoincrement": True}  # noqa: RUF012

    id: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    uid: Mapped[str] = mapped_column(String(36), default=new_uid, unique=True)


def matching(column: Any, value: object) -> ColumnElement[bool]:
    """Return the condition that a column has a filter's value, or none of those it leaves out."""
    if isinstance(value, AllBut):
        condition: ColumnElement[bool] = column.not_in(sorted(value.values))
    else:
        condition = column == value
    return condition
