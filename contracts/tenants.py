"""Tenants, the people who leave them, and what is left once a tenant is deleted: nothing."""

from typing import ClassVar, Literal

from contracts.envelope import Event


class TenantRegistered(Event):
    """A tenant exists; its default project, its topics and its plan follow from this."""

    key_fields: ClassVar[tuple[str, ...]] = ("tenant_id",)

    type: Literal["TenantRegistered"] = "TenantRegistered"
    name: str
    #: The gateway's integer id of the first admin, who owns the default project.
    owner_id: int


class PersonErased(Event):
    """A person was deleted; what other services hold about them goes too."""

    key_fields: ClassVar[tuple[str, ...]] = ("person_uid",)
    ends_key: ClassVar[bool] = True

    type: Literal["PersonErased"] = "PersonErased"
    person_uid: str


class ApiKeyRevoked(Event):
    """An API key no longer works: other gateways drop it from their caches."""

    key_fields: ClassVar[tuple[str, ...]] = ("key_prefix",)
    ends_key: ClassVar[bool] = True

    type: Literal["ApiKeyRevoked"] = "ApiKeyRevoked"
    key_prefix: str


class TenantDeleted(Event):
    """A tenant was deleted: every service erases what it holds of it, and says so with a receipt.

    It takes the place of the registration, and ends the key for good.
    """

    key_fields: ClassVar[tuple[str, ...]] = ("tenant_id",)
    ends_key: ClassVar[bool] = True

    type: Literal["TenantDeleted"] = "TenantDeleted"


class TenantErased(Event):
    """A service's receipt: it holds nothing more of a deleted tenant."""

    type: Literal["TenantErased"] = "TenantErased"
    service: str
    #: How many things of each kind were erased: rows by table, blobs, documents, topics.
    erased: dict[str, int]


class IngestOpened(Event):
    """A tenant's ingest topics were made: who reads the topics of all tenants looks for them."""

    key_fields: ClassVar[tuple[str, ...]] = ("tenant_id",)

    type: Literal["IngestOpened"] = "IngestOpened"


TenantEvent = TenantRegistered | TenantDeleted | PersonErased | ApiKeyRevoked
