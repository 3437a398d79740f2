"""What billing listens to; the body of each is one operation."""

from billing.operations import subscriptions as subscribers
from billing.operations import usage
from chassis.subscriptions import Subscription, each, together
from contracts.catalog import ItemChanged, ItemDeleted
from contracts.tenants import PersonErased, TenantRegistered
from contracts.topics import CATALOG_CHANGES, CONVERSIONS, INTERACTIONS, SERVINGS, TENANTS


def subscriptions() -> list[Subscription]:
    """Return every subscription; the names are consumer groups and stay."""
    return [
        each(TENANTS, subscribers.open_with, name="tenants", only=(TenantRegistered,)),
        each(TENANTS, usage.forget_person, name="erasures", only=(PersonErased,)),
        together(INTERACTIONS, usage.count_interactions, name="interactions"),
        together(SERVINGS, usage.count, name="servings"),
        together(CONVERSIONS, usage.count, name="conversions"),
        together(CATALOG_CHANGES, usage.count_items, name="items", only=(ItemChanged, ItemDeleted)),
    ]
