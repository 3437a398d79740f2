"""Tenants and the people who leave them."""

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

    type: Literal["PersonErased"] = "PersonErased"
    person_uid: str


class ApiKeyRevoked(Event):
    """An API key no longer works: other gateways drop it from their caches."""

    key_fields: ClassVar[tuple[str, ...]] = ("key_prefix",)

    type: Literal["ApiKeyRevoked"] = "ApiKeyRevoked"
    key_prefix: str


class IngestOpened(Event):
    """A tenant's ingest topics were made: who reads the topics of all tenants looks for them."""

    key_fields: ClassVar[tuple[str, ...]] = ("tenant_id",)

    type: Literal["IngestOpened"] = "IngestOpened"


TenantEvent = TenantRegistered | PersonErased | ApiKeyRevoked
