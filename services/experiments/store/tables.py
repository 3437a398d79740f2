"""Tables of experiments. Rows stay in this folder; what leaves it are values of the domain."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Float, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.erasures import ErasedPerson
from chassis.tables import BigKey, Identified, Moment, new_metadata
from chassis.tenancy import TenantScoped


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = new_metadata()
    type_annotation_map = {datetime: Moment, int: BigKey}  # noqa: RUF012 - SQLAlchemy's own form


class ProjectRow(TenantScoped, Base):
    """Replica: a project of catalog's."""

    __tablename__ = "project"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(256))
    is_default: Mapped[bool]
    owner_id: Mapped[int | None]
    #: The newest that was heard; older news changes nothing.
    revision: Mapped[int] = mapped_column(default=0, server_default=text("0"))


class ModelRow(TenantScoped, Base):
    """Replica: a model of training's that is ready."""

    __tablename__ = "model"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    project_id: Mapped[int | None]
    algorithm: Mapped[str | None] = mapped_column(String(64))
    ready_at: Mapped[datetime]
    accuracy: Mapped[float | None]


class DayRow(TenantScoped, Base):
    """Replica: what happened on one day, in UTC, by the events' own time."""

    __tablename__ = "day"

    tenant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    interactions: Mapped[int]
    recommendations: Mapped[int]
    #: How many users were active, once the day is so long past that their rows go.
    active_users: Mapped[int | None]


class ActiveUserRow(TenantScoped, Base):
    """Replica: a user who interacted on a day that analytics still may be asked for."""

    __tablename__ = "active_user"

    tenant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    #: The newest fact of theirs; none where a release before this one knew them.
    newest_at: Mapped[datetime | None]


class KnownUserRow(TenantScoped, Base):
    """Replica: a user who interacted at least once."""

    __tablename__ = "known_user"

    tenant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    #: As for an active user.
    newest_at: Mapped[datetime | None]


class ErasedPersonRow(ErasedPerson, TenantScoped, Base):
    """A person whose earlier facts are not kept, however late they come."""


class KnownItemRow(TenantScoped, Base):
    """Replica: an item of the catalogue, or the memory of one that left it."""

    __tablename__ = "known_item"

    tenant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    item_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    revision: Mapped[int]
    is_there: Mapped[bool]


class SlotRow(Identified, TenantScoped, Base):
    """A deployment slot."""

    __tablename__ = "deployment_slot"

    project_id: Mapped[int] = mapped_column(index=True)
    name: Mapped[str] = mapped_column(String(256))
    model_id: Mapped[int] = mapped_column(index=True)
    weight: Mapped[float]
    is_active: Mapped[bool]
    ins_datetime: Mapped[datetime]
    updated_at: Mapped[datetime]
    revision: Mapped[int]


class DeploymentRow(TenantScoped, Base):
    """The newest model that was deployed by itself to a slot; the mark outlives the slot."""

    __tablename__ = "deployment"

    project_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    slot_name: Mapped[str] = mapped_column(String(256), primary_key=True)
    model_id: Mapped[int]
    ready_at: Mapped[datetime]


def _slot_key() -> Any:
    return mapped_column(ForeignKey("deployment_slot.id", ondelete="CASCADE"), index=True)


class AbTestRow(Identified, TenantScoped, Base):
    """An A/B test."""

    __tablename__ = "ab_test"

    project_id: Mapped[int] = mapped_column(index=True)
    name: Mapped[str] = mapped_column(String(256))
    status: Mapped[str] = mapped_column(String(16))
    control_slot_id: Mapped[int] = _slot_key()
    variant_slot_id: Mapped[int] = _slot_key()
    target_metric_name: Mapped[str] = mapped_column(String(50))
    min_sample_size: Mapped[int]
    confidence_level: Mapped[float] = mapped_column(Float)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    winner_slot_id: Mapped[int | None]
    ins_datetime: Mapped[datetime]
    updated_at: Mapped[datetime]
    revision: Mapped[int]
    control_share: Mapped[float | None]
    # The deal: both hands of it, or nothing.
    deal_test_id: Mapped[int | None]
    control_weight: Mapped[float | None]
    variant_weight: Mapped[float | None]
    control_low: Mapped[float | None]
    control_high: Mapped[float | None]


def _sum() -> Any:
    return mapped_column(default=0, server_default="0")


class TallyRow(TenantScoped, Base):
    """Counts of one arm of a started test, kept up to date with each conversion."""

    __tablename__ = "tally"

    test_id: Mapped[int] = mapped_column(
        ForeignKey("ab_test.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    slot_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    impressions: Mapped[int]
    clicks: Mapped[int]
    purchases: Mapped[int]
    # The sums of a domain `Sample`. Older releases leave them as they are.
    users: Mapped[int] = _sum()
    user_impressions: Mapped[int] = _sum()
    user_conversions: Mapped[int] = _sum()
    impressions_squared: Mapped[int] = _sum()
    conversions_squared: Mapped[int] = _sum()
    products: Mapped[int] = _sum()
    # How many of the impressions, clicks and purchases the sums know of. Fewer than there are mean
    # that an older release counted the others, and that the sums have to be made afresh.
    summed: Mapped[int] = _sum()


#: Columns of a domain `Exposure`.
EXPOSURE_COUNTS = ("requests", "requests_converted", "unnamed", "unnamed_conversions")


class ShownUserRow(TenantScoped, Base):
    """A user's exposure in an arm. Who held this row alone changes it and the user's requests."""

    __tablename__ = "shown_user"

    tenant_id: Mapped[str] = mapped_column(String(36))  # found by the index below
    test_id: Mapped[int] = mapped_column(
        ForeignKey("ab_test.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    slot_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    user_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    requests: Mapped[int]
    requests_converted: Mapped[int]
    unnamed: Mapped[int]
    unnamed_conversions: Mapped[int]
    # An erased person's row keeps its counts under an id that means nothing.
    erased: Mapped[bool]

    __table_args__ = (Index("ix_shown_user_user", "tenant_id", "user_id"),)


class UserRequestRow(TenantScoped, Base):
    """What an arm was told of a user's request: a click may come before its impression."""

    __tablename__ = "user_request"

    test_id: Mapped[int] = mapped_column(
        ForeignKey("ab_test.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    slot_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    user_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    request_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    shown: Mapped[bool]
    converted: Mapped[bool]


class ShownRow(TenantScoped, Base):
    """A request that an arm was tallied for: a second impression of it adds nothing."""

    __tablename__ = "shown_request"

    test_id: Mapped[int] = mapped_column(
        ForeignKey("ab_test.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    slot_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    request_id: Mapped[str] = mapped_column(String(36), primary_key=True)


class ConversionRow(Identified, TenantScoped, Base):
    """A conversion, never changed."""

    __tablename__ = "conversion"

    event_id: Mapped[str] = mapped_column(String(160))
    project_id: Mapped[int]
    slot_id: Mapped[int] = mapped_column(ForeignKey("deployment_slot.id", ondelete="CASCADE"))
    user_id: Mapped[str] = mapped_column(String(256))
    item_id: Mapped[str] = mapped_column(String(256))
    conversion_type: Mapped[str] = mapped_column(String(16))
    request_id: Mapped[str | None] = mapped_column(String(36))
    occurred_at: Mapped[datetime]
    details: Mapped[Any] = mapped_column(JSON, nullable=False)
    source: Mapped[str] = mapped_column(String(8))
    time_told: Mapped[bool]

    __table_args__ = (
        UniqueConstraint("tenant_id", "event_id"),
        # Lists run along the tenant's time; windows of tests along the slot's.
        Index("ix_conversion_tenant_time", "tenant_id", "occurred_at", "id"),
        Index("ix_conversion_slot_time", "slot_id", "occurred_at"),
        {"sqlite_autoincrement": True},
    )
