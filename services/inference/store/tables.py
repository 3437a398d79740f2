"""Tables of inference."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Float, Index, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.erasures import ErasedPerson
from chassis.tables import Identified, LongText, Moment, new_metadata
from chassis.tenancy import TenantScoped


class Base(DeclarativeBase):
    """What all tables share."""

    metadata = new_metadata()


class ErasedPersonRow(ErasedPerson, TenantScoped, Base):
    """A person whose earlier facts are not kept, however late they come."""


class ModelVersion(TenantScoped, Base):
    """A model that was announced, and whether it could be served."""

    __tablename__ = "model_version"

    model_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    project_id: Mapped[int | None] = mapped_column(BigInteger)
    algorithm: Mapped[str | None] = mapped_column(String(64))
    version: Mapped[str] = mapped_column(String(256))
    learner: Mapped[str] = mapped_column(String(256))
    artefact_digest: Mapped[str] = mapped_column(String(64))
    announced_at: Mapped[datetime] = mapped_column(Moment)
    #: Why it is not served, where its artefact was refused.
    refusal: Mapped[str | None] = mapped_column(LongText)
    #: Which state was announced last, `loaded` or `refused`; none while neither has come about.
    told: Mapped[str | None] = mapped_column(String(16))


class ItemPopularity(Base):
    """How strongly all users of a tenant together have taken to an item."""

    __tablename__ = "item_popularity"

    tenant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    item_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    #: Sum of the weights of its interactions.
    weight: Mapped[float] = mapped_column(Float(53))

    __table_args__ = (Index("ix_item_popularity_strongest", "tenant_id", "weight"),)


class Generation(Identified, TenantScoped, Base):
    """A job that fills the list of recommendations, user by user."""

    __tablename__ = "generation"
    __table_args__ = (
        # Whose turn it is: when each tenant had its last one.
        Index("ix_generation_tenant_id_taken_at", "tenant_id", "taken_at"),
        {"sqlite_autoincrement": True},
    )

    algorithm: Mapped[str] = mapped_column(String(32))
    segment: Mapped[str] = mapped_column(String(32))
    count: Mapped[int]
    state: Mapped[str] = mapped_column(String(16), index=True)
    #: The last user served, in order of their ids.
    last_user: Mapped[str] = mapped_column(String(256), default="")
    requested_at: Mapped[datetime] = mapped_column(Moment)
    users_served: Mapped[int] = mapped_column(default=0, server_default="0")
    #: How many users there were when it began; none before.
    users_total: Mapped[int | None]
    #: When somebody last got on with it, and when it is tried again after something was away.
    moved_at: Mapped[datetime | None] = mapped_column(Moment)
    not_before: Mapped[datetime | None] = mapped_column(Moment)
    #: Why it failed, or why it waits.
    error: Mapped[str | None] = mapped_column(LongText)
    #: When a process last took it, which one holds it, and until when it does without renewal.
    taken_at: Mapped[datetime | None] = mapped_column(Moment)
    holder: Mapped[str | None] = mapped_column(String(36))
    held_until: Mapped[datetime | None] = mapped_column(Moment)


class Recommendation(Identified, TenantScoped, Base):
    """One item recommended to one user by a generation."""

    __tablename__ = "recommendation"

    user_id: Mapped[str] = mapped_column(String(256))
    item_id: Mapped[str] = mapped_column(String(256))
    score: Mapped[float] = mapped_column(Float(53))
    algorithm: Mapped[str] = mapped_column(String(32))
    reason: Mapped[str] = mapped_column(LongText)
    extra: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(Moment)

    __table_args__ = (
        Index("ix_recommendation_user", "tenant_id", "user_id"),
        {"sqlite_autoincrement": True},
    )
