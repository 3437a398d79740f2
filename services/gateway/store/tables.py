"""Tables of the gateway: tenants, people, sessions, API keys, the keys that sign tokens, known
projects, deletions of tenants.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.tables import BigKey, Identified, Moment, new_metadata
from chassis.tenancy import TenantScoped
from gateway.domain.people import EMAIL, USERNAME


class Base(DeclarativeBase):
    """All tables of the gateway, outbox and inbox included."""

    metadata = new_metadata()


class TenantRow(Identified, Base):
    """A customer of the platform; its `uid` is the tenant id everywhere."""

    __tablename__ = "tenants"

    name: Mapped[str] = mapped_column(String(256))
    created_at: Mapped[datetime] = mapped_column(Moment)


class PersonRow(Identified, TenantScoped, Base):
    """Somebody who signs in. Names and addresses are unique over the platform: they say who signs
    in.
    """

    __tablename__ = "people"

    username: Mapped[str] = mapped_column(String(256))
    username_folded: Mapped[str] = mapped_column(String(USERNAME), unique=True)
    email: Mapped[str] = mapped_column(String(320), default="")
    email_folded: Mapped[str | None] = mapped_column(String(EMAIL), unique=True)
    name: Mapped[str] = mapped_column(String(256), default="")
    first_name: Mapped[str] = mapped_column(String(150), default="")
    last_name: Mapped[str] = mapped_column(String(150), default="")
    role: Mapped[str] = mapped_column(String(16))
    is_active: Mapped[bool] = mapped_column(default=True)
    #: Absent until an invited person has chosen one.
    password_hash: Mapped[str | None] = mapped_column(String(512))
    created_at: Mapped[datetime] = mapped_column(Moment)
    last_login_at: Mapped[datetime | None] = mapped_column(Moment)
    last_active_at: Mapped[datetime | None] = mapped_column(Moment)


class SessionRow(Identified, TenantScoped, Base):
    """One sign-in with its family of refresh tokens; only the newest generation may be used."""

    __tablename__ = "sessions"

    person_id: Mapped[int] = mapped_column(
        BigKey, ForeignKey("people.id", ondelete="CASCADE"), index=True
    )
    generation: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    #: When each generation of the last seconds was spent, in seconds since 1970.
    spent: Mapped[dict[str, float] | None] = mapped_column(JSON)


class ApiKeyRow(Identified, TenantScoped, Base):
    """An API key, by its hash."""

    __tablename__ = "api_keys"
    __table_args__: Any = (
        UniqueConstraint("tenant_id", "project_id", "name"),
        Identified.__table_args__,
    )

    project_id: Mapped[int] = mapped_column(BigKey)
    name: Mapped[str] = mapped_column(String(256))
    scopes: Mapped[str] = mapped_column(String(64))
    key_prefix: Mapped[str] = mapped_column(String(8), index=True)
    hashed_key: Mapped[str] = mapped_column(String(512))
    owner_id: Mapped[int] = mapped_column(
        BigKey, ForeignKey("people.id", ondelete="CASCADE"), index=True
    )
    is_active: Mapped[bool] = mapped_column(default=True)
    ins_datetime: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime | None] = mapped_column(Moment)
    last_used_at: Mapped[datetime | None] = mapped_column(Moment)


class TokenKeyRow(Base):
    """A key pair that signs people's tokens; the private half is sealed."""

    __tablename__ = "token_keys"

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    public_pem: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_private: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Moment)


class ProjectRow(TenantScoped, Base):
    """A project of catalog's, as far as keys must know it."""

    __tablename__ = "projects"

    project_id: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(256))
    is_default: Mapped[bool] = mapped_column(default=False)
    owner_id: Mapped[int | None] = mapped_column(BigKey)
    #: The newest that was heard; older news changes nothing.
    revision: Mapped[int] = mapped_column(BigKey, default=0, server_default=text("0"))


class TenantDeletionRow(Base):
    """The deletion of a tenant. It stays, and says nothing of the tenant but its uid."""

    __tablename__ = "tenant_deletion"

    tenant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    #: Absent where the operator has deleted the tenant: nobody has a token.
    token_digest: Mapped[str | None] = mapped_column(String(64), unique=True)
    deleted_at: Mapped[datetime] = mapped_column(Moment)


class ErasureReceiptRow(Base):
    """A service's word that it holds nothing more of a tenant."""

    __tablename__ = "erasure_receipt"

    tenant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    service: Mapped[str] = mapped_column(String(32), primary_key=True)
    erased_at: Mapped[datetime] = mapped_column(Moment)
    erased: Mapped[dict[str, int]] = mapped_column(JSON)


#: What stays of a deleted tenant: that it was deleted, and that everything was erased.
LASTING = (TenantDeletionRow.__tablename__, ErasureReceiptRow.__tablename__)
