"""Tables of billing. Money is in ten-thousandths, usage in hundredths of a unit."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String, UniqueConstraint, false, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.erasures import ErasedPerson
from chassis.tables import BigKey, Identified, Moment, new_metadata
from chassis.tenancy import TenantScoped


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
    #: Since when; absent where a former release noted it.
    touched_at: Mapped[datetime | None]
    #: Whether something was counted that was too little to be told at once.
    untold: Mapped[bool] = mapped_column(server_default=false())
    #: When the gateways were told last, and what was left then.
    told_at: Mapped[datetime | None]
    told_left: Mapped[int | None]
    #: End of the cycle that the last announcement spoke of.
    announced_until: Mapped[datetime]
    closed_cycles: Mapped[int]
    closes_at: Mapped[datetime] = mapped_column(index=True)
    customer: Mapped[str | None] = mapped_column(String(256), unique=True)
    #: Whether the payment provider ends what was bought with its period.
    cancels: Mapped[bool | None]
    #: The payment provider's own id of the newest visit to its checkout.
    checkout: Mapped[str | None] = mapped_column(String(300))

    __table_args__ = (
        Index(
            "ix_subscription_touched",
            "touched",
            sqlite_where=text("touched"),
            postgresql_where=text("touched"),
        ),
        Index(
            "ix_subscription_untold",
            "told_at",
            sqlite_where=text("untold"),
            postgresql_where=text("untold"),
        ),
        Index("ix_subscription_announced_until", "announced_until"),
        {"sqlite_autoincrement": True},
    )


class InvoiceRow(Identified, TenantScoped, Base):
    """An invoice, never changed."""

    __tablename__ = "invoice"

    number: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(8))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    lines: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    #: What a year was paid for with, so that it is invoiced once.
    origin: Mapped[str | None] = mapped_column(String(400))

    __table_args__ = (
        UniqueConstraint("tenant_id", "number"),
        Index("ix_invoice_tenant_id_origin", "tenant_id", "origin", unique=True),
        {"sqlite_autoincrement": True},
    )


class PurchaseRow(TenantScoped, Base):
    """What a payment provider said of one subscription; the tenant is empty where we know none."""

    __tablename__ = "purchase"

    key: Mapped[str] = mapped_column(String(300), primary_key=True)
    customer: Mapped[str | None] = mapped_column(String(255))
    said: Mapped[dict[str, Any]] = mapped_column(JSON)
    #: Whether it was paid for and could not be applied: its tenant or its plan is unknown.
    unclaimed: Mapped[bool] = mapped_column(index=True)
    #: Whether it was paid for and has not ended: one at a time for each tenant.
    alive: Mapped[bool | None] = mapped_column(index=True)
    #: When the provider is to be asked how it stands; absent: it was, since the newest notice.
    look_at: Mapped[datetime | None] = mapped_column(index=True)
    #: How many notices wanted it to be asked, and how often that has failed since the newest.
    looks: Mapped[int | None]
    failed_looks: Mapped[int | None]


class ErrandRow(TenantScoped, Base):
    """A visit to one of the test provider's pages."""

    __tablename__ = "errand"

    secret: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    plan_id: Mapped[str | None] = mapped_column(String(64))
    interval: Mapped[str] = mapped_column(String(8))
    expires_at: Mapped[datetime]
    done: Mapped[bool]


class UsageRow(TenantScoped, Base):
    """What a tenant used in one cycle."""

    __tablename__ = "usage"

    tenant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    cycle_index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    centiunits: Mapped[int]
    last_request_at: Mapped[datetime | None]
    #: The highest cap of the cycle: what bounded the overage before `billed` was counted.
    highest_cap: Mapped[int]
    #: Centiunits beyond the plan that are billed; absent where `highest_cap` still bounds them.
    billed: Mapped[int | None]
    #: What was used under each plan: when it began, its id, centiunits. Absent, or less than
    #: `centiunits`, where the release before this one counted.
    parts: Mapped[list[list[Any]] | None] = mapped_column(JSON)
    #: Centiunits beyond the plan that stand in some invoice, and those of them that are billed;
    #: absent where the cycle is not closed, or the release before this one closed it.
    invoiced_beyond: Mapped[int | None]
    invoiced: Mapped[int | None]
    #: Centiunits that the items and users of a closed cycle were billed as.
    others: Mapped[int | None]


class PastPlanRow(TenantScoped, Base):
    """A plan that was in force until another one was."""

    __tablename__ = "past_plan"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    tenant_id: Mapped[str] = mapped_column(String(36))
    plan_id: Mapped[str] = mapped_column(String(64))
    interval: Mapped[str] = mapped_column(String(8))
    until: Mapped[datetime]

    __table_args__ = (
        Index("ix_past_plan_tenant_id_until", "tenant_id", "until"),
        {"sqlite_autoincrement": True},
    )


class ChargeRow(Identified, TenantScoped, Base):
    """The overage of an invoice on its way to the payment provider, one row each."""

    __tablename__ = "charge"

    number: Mapped[str] = mapped_column(String(16))
    cents: Mapped[int]
    description: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
    #: When it is tried next; absent once it has arrived.
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    tries: Mapped[int]
    #: Who is asked to pay, from the first try on.
    customer: Mapped[str | None] = mapped_column(String(256))
    #: The provider's own id of what it became.
    item: Mapped[str | None] = mapped_column(String(300))

    __table_args__ = (UniqueConstraint("tenant_id", "number"), {"sqlite_autoincrement": True})


class PastCapRow(TenantScoped, Base):
    """A cap that was in force until somebody set another one."""

    __tablename__ = "past_cap"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    tenant_id: Mapped[str] = mapped_column(String(36))
    cap: Mapped[int]
    until: Mapped[datetime]

    __table_args__ = (
        Index("ix_past_cap_tenant_id_until", "tenant_id", "until"),
        {"sqlite_autoincrement": True},
    )


class KnownUserRow(TenantScoped, Base):
    """A user of the tenant's that interacted at least once."""

    __tablename__ = "known_user"

    tenant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    #: The newest fact of theirs; none where a release before this one knew them.
    newest_at: Mapped[datetime | None]


class ErasedPersonRow(ErasedPerson, TenantScoped, Base):
    """A person whose earlier facts are not kept, however late they come."""


class KnownCountRow(TenantScoped, Base):
    """How many users and items of the tenant's are known: counted as they come and go."""

    __tablename__ = "known_count"

    tenant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    users: Mapped[int]
    items: Mapped[int]


class KnownItemRow(TenantScoped, Base):
    """An item of the tenant's catalogue, or the memory of one that left it."""

    __tablename__ = "known_item"

    tenant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    item_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    revision: Mapped[int]
    is_there: Mapped[bool]


#: What stays of a deleted tenant: what it was invoiced, and what of that is still to be paid.
LASTING = (InvoiceRow.__tablename__, ChargeRow.__tablename__)
