"""Tables of catalog."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Float, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.erasures import ErasedPerson
from chassis.tables import BigKey, Identified, LongText, Moment, new_metadata
from chassis.tenancy import TenantScoped


class Base(DeclarativeBase):
    """Collects the tables."""

    metadata = new_metadata()


class ProjectRow(Identified, TenantScoped, Base):
    """Projects; one of each tenant is its default."""

    __tablename__ = "project"
    __table_args__: Any = (
        UniqueConstraint("tenant_id", "owner_id", "name"),
        Index(
            "uq_project_default",
            "tenant_id",
            unique=True,
            sqlite_where=text("is_default"),
            postgresql_where=text("is_default"),
        ),
        {"sqlite_autoincrement": True},
    )

    name: Mapped[str] = mapped_column(String(256))
    user_column: Mapped[str] = mapped_column(String(256))
    item_column: Mapped[str] = mapped_column(String(256))
    time_column: Mapped[str | None] = mapped_column(String(256))
    owner_id: Mapped[int | None] = mapped_column(BigInteger)
    is_default: Mapped[bool] = mapped_column(Boolean)
    ins_datetime: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)
    #: Rises with each change, so that nobody takes older news for the newest.
    revision: Mapped[int] = mapped_column(BigInteger, default=1, server_default=text("1"))
    #: Whether others have heard who owns it: releases before did not listen.
    owner_told: Mapped[bool] = mapped_column(default=False, server_default=text("false"))


class IngestTenantRow(TenantScoped, Base):
    """A tenant that asked where its producers connect: it has ingest topics since then."""

    __tablename__ = "ingest_tenant"

    tenant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    opened_at: Mapped[datetime] = mapped_column(Moment)


class ErasedPersonRow(ErasedPerson, TenantScoped, Base):
    """A person whose earlier facts are not kept, however late they come."""


class DataFileRow(Identified, TenantScoped, Base):
    """Uploaded files, of both kinds; `file` is null once a file was unlinked."""

    __tablename__ = "data_file"
    __table_args__: Any = (
        Index("ix_data_file_project", "project_id", "kind"),
        Index(
            "ix_data_file_items_from",
            "id",
            sqlite_where=text("items_from IS NOT NULL"),
            postgresql_where=text("items_from IS NOT NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    kind: Mapped[str] = mapped_column(String(16))
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    file: Mapped[str | None] = mapped_column(String(400))
    basename: Mapped[str | None] = mapped_column(String(256))
    filesize: Mapped[int | None] = mapped_column(BigInteger)
    blob_key: Mapped[str] = mapped_column(String(400))
    table_key: Mapped[str] = mapped_column(String(400))
    table_digest: Mapped[str] = mapped_column(String(64))
    rows: Mapped[int] = mapped_column(BigInteger)
    #: JSON array of column names; null where the kind has none.
    valid_columns: Mapped[str | None] = mapped_column(LongText)
    #: First row that has not become an item of the catalogue; null once all have, or none is to.
    items_from: Mapped[int | None] = mapped_column(BigInteger)
    #: Column that names the items, as the project said when the file came.
    item_column: Mapped[str | None] = mapped_column(String(256))
    ins_datetime: Mapped[datetime] = mapped_column(Moment)


class ItemRow(Identified, TenantScoped, Base):
    """The tenant's catalogue; `item_id` is the tenant's own name for an item."""

    __tablename__ = "item"
    __table_args__: Any = (
        UniqueConstraint("tenant_id", "item_id"),
        {"sqlite_autoincrement": True},
    )

    item_id: Mapped[str] = mapped_column(String(256))
    details: Mapped[str] = mapped_column(LongText)
    search_text: Mapped[str] = mapped_column(LongText)
    is_active: Mapped[bool] = mapped_column(Boolean)
    bare: Mapped[bool] = mapped_column(Boolean)
    revision: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)


class InteractionRow(TenantScoped, Base):
    """Facts that are never changed, and their own outbox: the relay walks them by `sequence`."""

    __tablename__ = "interaction"
    __table_args__: Any = (
        UniqueConstraint("tenant_id", "event_id"),
        Index("ix_interaction_user", "tenant_id", "user_id"),
        {"sqlite_autoincrement": True},
    )

    sequence: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    # No index of its own: both others start with it, and every index costs each row.
    tenant_id: Mapped[str] = mapped_column(String(36))
    event_id: Mapped[str] = mapped_column(String(200))
    user_id: Mapped[str] = mapped_column(String(256))
    item_id: Mapped[str] = mapped_column(String(256))
    interaction_type: Mapped[str] = mapped_column(String(16))
    value: Mapped[float | None] = mapped_column(Float)
    occurred_at: Mapped[datetime] = mapped_column(Moment)
    timed: Mapped[bool] = mapped_column(Boolean)
    recorded_at: Mapped[datetime] = mapped_column(Moment)
    session_id: Mapped[str | None] = mapped_column(String(256))
    request_id: Mapped[str | None] = mapped_column(String(256))
    details: Mapped[str | None] = mapped_column(LongText)
    source: Mapped[str] = mapped_column(String(8))
    trace: Mapped[str | None] = mapped_column(String(60))


class AnnouncedRow(Base):
    """How far the relay has walked a table that is its own outbox."""

    __tablename__ = "announced"

    source: Mapped[str] = mapped_column(String(40), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)


class ModelRow(TenantScoped, Base):
    """What training says about models, for a project's summary."""

    __tablename__ = "model"

    model_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    project_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    retired: Mapped[bool] = mapped_column(Boolean)


class TuningRow(TenantScoped, Base):
    """Tuning jobs that found a configuration, for a project's summary."""

    __tablename__ = "tuning_job"

    tuning_job_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    project_id: Mapped[int] = mapped_column(BigInteger, index=True)


class DoomedBlobRow(Base):
    """Blobs that nothing names any more, until they are deleted from the blob store."""

    __tablename__ = "doomed_blob"

    key: Mapped[str] = mapped_column(String(400), primary_key=True)
