"""What tenants own, as other services must know it: projects, data files and items."""

from typing import Any, ClassVar, Literal

from contracts.envelope import Event


class ProjectChanged(Event):
    """A project was made or changed. Column names are those of its data files."""

    key_fields: ClassVar[tuple[str, ...]] = ("kind", "project_id")

    type: Literal["ProjectChanged"] = "ProjectChanged"
    kind: Literal["project"] = "project"
    project_id: int
    name: str
    is_default: bool
    owner_id: int | None = None
    user_column: str
    item_column: str
    time_column: str | None = None
    #: Rises with each change; an older one never replaces a newer one. Releases that do not count
    #: say 0, which is taken as it comes.
    revision: int = 0

    @property
    def owner(self) -> int | None:
        """Return whose the project is: nobody's own where it is the tenant's default one."""
        return None if self.is_default else self.owner_id


class ProjectDeleted(Event):
    """A project is gone, and everything below it."""

    key_fields: ClassVar[tuple[str, ...]] = ("kind", "project_id")

    type: Literal["ProjectDeleted"] = "ProjectDeleted"
    kind: Literal["project"] = "project"
    project_id: int


class DataFileChanged(Event):
    """An uploaded file was kept; `table_key` names its normalised Parquet table.

    `table_key` and `table_digest` (SHA-256, hex) are absent once the file was unlinked. In the
    table the user and item columns are strings and the time column, where the project has one, is
    timestamp[us, UTC].
    """

    key_fields: ClassVar[tuple[str, ...]] = ("kind", "file_id")

    type: Literal["DataFileChanged"] = "DataFileChanged"
    kind: Literal["training_data", "item_meta_data"]
    file_id: int
    project_id: int
    basename: str | None = None
    table_key: str | None = None
    table_digest: str | None = None
    rows: int = 0


class DataFileDeleted(Event):
    """An uploaded file is gone, with what was made from it."""

    key_fields: ClassVar[tuple[str, ...]] = ("kind", "file_id")

    type: Literal["DataFileDeleted"] = "DataFileDeleted"
    kind: Literal["training_data", "item_meta_data"]
    file_id: int
    project_id: int


class ItemChanged(Event):
    """An item of the tenant's catalogue was made or changed."""

    key_fields: ClassVar[tuple[str, ...]] = ("kind", "item_id")

    type: Literal["ItemChanged"] = "ItemChanged"
    kind: Literal["item"] = "item"
    item_id: str
    metadata: dict[str, Any]
    is_active: bool
    #: Rises with each change of the item; an older revision never replaces a newer one.
    revision: int


class ItemDeleted(Event):
    """An item left the catalogue."""

    key_fields: ClassVar[tuple[str, ...]] = ("kind", "item_id")

    type: Literal["ItemDeleted"] = "ItemDeleted"
    kind: Literal["item"] = "item"
    item_id: str
    revision: int


CatalogEvent = (
    ProjectChanged | ProjectDeleted | DataFileChanged | DataFileDeleted | ItemChanged | ItemDeleted
)
