"""The items and default projects of all tenants, as far as answers need them."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from chassis.identity import Caller
from contracts.catalog import (
    CatalogEvent,
    ItemChanged,
    ItemDeleted,
    ProjectChanged,
    ProjectDeleted,
)


class Item(NamedTuple):
    """What answers need of an item; a deleted one stays as a mark against older news."""

    title: str | None
    is_active: bool
    revision: int
    #: When it last changed, in seconds since 1970; 0 for a deleted one.
    moment: float

    @property
    def is_deleted(self) -> bool:
        """Tell whether it has left the catalogue."""
        return self.moment == 0.0


@dataclass(slots=True)
class _Tenant:
    items: dict[str, Item] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
    #: Rises when the blocked items change.
    edition: int = 0
    #: Projects, each with the person whose it is; None where it is everybody's.
    projects: dict[int, int | None] = field(default_factory=dict)
    default_project: int | None = None


class Catalogue:
    """A replica of what the catalogue says; it follows `catalog-changes`."""

    def __init__(self) -> None:
        """Begin empty."""
        self._tenants: dict[str, _Tenant] = {}

    async def apply(self, events: Sequence[CatalogEvent]) -> None:
        """Follow changes; an older revision never replaces a newer one."""
        for event in events:
            tenant = self._tenants.setdefault(event.tenant_id, _Tenant())
            if isinstance(event, ItemChanged):
                moment = max(event.occurred_at.timestamp(), 1.0)
                title = _title(event.metadata)
                item = Item(title, event.is_active, event.revision, moment)
                _put(tenant, event.item_id, item)
            elif isinstance(event, ItemDeleted):
                _put(tenant, event.item_id, Item(None, False, event.revision, 0.0))
            elif isinstance(event, ProjectDeleted):
                tenant.projects.pop(event.project_id, None)
            elif isinstance(event, ProjectChanged):
                tenant.projects[event.project_id] = event.owner
                if event.is_default:
                    tenant.default_project = event.project_id

    def forget_tenant(self, tenant_id: str) -> None:
        """Drop a tenant's items and projects."""
        self._tenants.pop(tenant_id, None)

    def tenants(self) -> list[str]:
        """Return the tenants that have anything."""
        return list(self._tenants)

    def knows(self, tenant_id: str, item_id: str) -> bool:
        """Tell whether the tenant has this item, active or not."""
        tenant = self._tenants.get(tenant_id)
        item = tenant.items.get(item_id) if tenant else None
        return item is not None and not item.is_deleted

    def has_lost(self, tenant_id: str, item_id: str) -> bool:
        """Tell whether the tenant had this item and deleted it."""
        tenant = self._tenants.get(tenant_id)
        item = tenant.items.get(item_id) if tenant else None
        return item is not None and item.is_deleted

    def title(self, tenant_id: str, item_id: str) -> str:
        """Return an item's title, or its id where it has none."""
        tenant = self._tenants.get(tenant_id)
        item = tenant.items.get(item_id) if tenant else None
        return item_id if item is None or item.title is None else item.title

    def blocked(self, tenant_id: str) -> tuple[int, set[str]]:
        """Return the items that must not be recommended, and the edition of that set."""
        tenant = self._tenants.get(tenant_id)
        return (tenant.edition, tenant.blocked) if tenant else (0, set())

    def default_project(self, tenant_id: str) -> int | None:
        """Return the tenant's default project."""
        tenant = self._tenants.get(tenant_id)
        return tenant.default_project if tenant else None

    def has_project(self, tenant_id: str, project_id: int) -> bool:
        """Tell whether a project is the tenant's."""
        tenant = self._tenants.get(tenant_id)
        return tenant is not None and project_id in tenant.projects

    def may_see(self, caller: Caller, project_id: int) -> bool:
        """Tell whether a project is within a caller's reach."""
        tenant = self._tenants.get(caller.tenant_id)
        owner = tenant.projects.get(project_id) if tenant else None
        # The gateway lets no key in whose owner may not see its project.
        is_hidden = caller.kind == "person" and owner not in {None, caller.person_id}
        return caller.may_see(project_id) and (caller.sees_all or not is_hidden)

    def newest(self, tenant_id: str, *, limit: int) -> list[str]:
        """Return the active items that were added or changed last."""
        tenant = self._tenants.get(tenant_id)
        if tenant is None:
            return []
        active = ((i.moment, item_id) for item_id, i in tenant.items.items() if i.is_active)
        return [item_id for _moment, item_id in heapq.nlargest(limit, active)]


def _put(tenant: _Tenant, item_id: str, item: Item) -> None:
    known = tenant.items.get(item_id)
    if known is not None and known.revision >= item.revision:
        return
    tenant.items[item_id] = item
    if item.is_active == (item_id in tenant.blocked):
        tenant.blocked ^= {item_id}
        tenant.edition += 1


def _title(metadata: dict[str, object]) -> str | None:
    for name in ("title", "name"):
        title = metadata.get(name)
        if isinstance(title, str) and title.strip():
            return title[:200]
    return None
