"""The world that tests of billing begin with, and facts to feed it."""

from datetime import UTC, datetime
from typing import Any

import httpx

from chassis.testing import TENANT
from contracts.catalog import ItemChanged, ItemDeleted
from contracts.conversions import ConversionRecorded, ConversionType
from contracts.interactions import InteractionRecorded, InteractionType
from contracts.serving import Served
from contracts.tenants import TenantRegistered

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)


def registered(tenant_id: str = TENANT, at: datetime = NOW) -> TenantRegistered:
    """Return the gateway's word of a new tenant."""
    return TenantRegistered(tenant_id=tenant_id, occurred_at=at, name="shop", owner_id=1)


def interaction(centiunits: int = 100, *, user_id: str = "u", **rest: Any) -> InteractionRecorded:
    """Return catalog's word of an interaction."""
    told: dict[str, Any] = {"tenant_id": TENANT, "occurred_at": NOW, "recorded_at": NOW} | rest
    return InteractionRecorded(
        sequence=1,
        interaction_id="i",
        user_id=user_id,
        item_id="i",
        interaction_type=InteractionType.VIEW,
        weight=0.1,
        source="http",
        centiunits=centiunits,
        **told,
    )


def served(centiunits: int = 100, **rest: Any) -> Served:
    """Return inference's word of an answer."""
    told: dict[str, Any] = {"tenant_id": TENANT, "occurred_at": NOW} | rest
    return Served(request_id="r", operation="recommend", user_id="u", centiunits=centiunits, **told)


def conversion(centiunits: int = 100, **rest: Any) -> ConversionRecorded:
    """Return the experiments' word of a conversion."""
    told: dict[str, Any] = {"tenant_id": TENANT, "occurred_at": NOW, "recorded_at": NOW} | rest
    return ConversionRecorded(
        conversion_id=1,
        project_id=1,
        slot_id=1,
        user_id="u",
        item_id="",
        conversion_type=ConversionType.CLICK,
        source="http",
        centiunits=centiunits,
        **told,
    )


def item(item_id: str, revision: int, tenant_id: str = TENANT) -> ItemChanged:
    """Return catalog's word of an item."""
    return ItemChanged(
        tenant_id=tenant_id,
        occurred_at=NOW,
        item_id=item_id,
        metadata={},
        is_active=True,
        revision=revision,
    )


def no_item(item_id: str, revision: int) -> ItemDeleted:
    """Return catalog's word of an item that left."""
    return ItemDeleted(tenant_id=TENANT, occurred_at=NOW, item_id=item_id, revision=revision)


async def usage(client: httpx.AsyncClient) -> dict[str, Any]:
    """Return what a tenant is told of its usage."""
    answer = await client.get("/api/billing/usage")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found
