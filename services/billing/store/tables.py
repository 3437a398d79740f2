"""Tables of billing. Money is in ten-thousandths, usage in hundredths of a unit."""

from datetime import datetime

from sqlalchemy import Index, String, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.database import BigKey, Identified, Moment, TenantScoped, new_metadata


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = new_metadata()
    type_annotation_map = {datetime: Moment, int: BigKey}  # noqa: RUF012 - SQLAlchemy's own form


class SubscriptionRow(Identified, Base, TenantScoped):
    """A tenant's subscription, and what the gateways were told last."""

    __tablename__ = "subscription"

    tenant_id: Mapped[str] = mapped_column(String(36), unique=True)
    plan_id: Mapped[str] = mapped_column(String(64))
    interval: Mapped[str] = mapped_column(String(8))
    status: Mapped[str] = mapped_column(String(16))
    cap: Mapped[int]
    anchor: Mapped[datetime]
    provisional: Mapped[bool]
    #: Revision of the last announcement.
    revision: Mapped[int]
    #: Whether anything was counted that the gateways have not been told.
    touched: Mapped[bool]
    #: End of the cycle that the last announcement spoke of.
    announced_until: Mapped[datetime]

    __table_args__ = (
        Index(
            "ix_subscription_touched",
            "touched",
            sqlite_where=text("touched"),
            postgresql_where=text("touched"),
        ),
        Index("ix_subscription_announced_until", "announced_until"),
        {"sqlite_autoincrement": True},
    )


class UsageRow(TenantScoped, Base):
    """What a tenant used in one cycle."""

    __tablename__ = "usage"

    tenant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    cycle_index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    centiunits: Mapped[int]
    last_request_at: Mapped[datetime | None]
    highest_cap: Mapped[int]


class KnownUserRow(TenantScoped, Base):
    """A user of the tenant's that interacted at least once."""

    __tablename__ = "known_user"

    tenant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(256), primary_key=True)


class KnownItemRow(TenantScoped, Base):
    """An item of the tenant's catalogue, or the memory of one that left it."""

    __tablename__ = "known_item"

    tenant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    item_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    revision: Mapped[int]
    is_there: Mapped[bool]
