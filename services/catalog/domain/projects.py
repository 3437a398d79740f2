"""A project: the names of the columns in its data files, and whom it belongs to."""

from dataclasses import dataclass
from datetime import datetime

from contracts.catalog import ProjectChanged

DEFAULT_NAME = "default"


@dataclass(frozen=True, slots=True)
class Project:
    """One project of a tenant. The default one is where RecommendAI's surface lives."""

    id: int
    name: str
    user_column: str
    item_column: str
    time_column: str | None
    owner: int | None
    is_default: bool
    ins_datetime: datetime
    updated_at: datetime
    revision: int

    def changed(self, tenant_id: str, *, at: datetime) -> ProjectChanged:
        """Return the fact that other services hear."""
        return ProjectChanged(
            tenant_id=tenant_id,
            occurred_at=at,
            project_id=self.id,
            name=self.name,
            is_default=self.is_default,
            owner_id=self.owner,
            user_column=self.user_column,
            item_column=self.item_column,
            time_column=self.time_column,
            revision=self.revision,
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """How much a project holds."""

    n_data: int
    n_complete_jobs: int
    n_models: int
    ins_datetime: datetime
