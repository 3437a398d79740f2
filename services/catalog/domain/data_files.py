"""An uploaded file: what it is called, where its bytes and its normalised table lie."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from contracts.catalog import DataFileChanged, DataFileDeleted

Kind = Literal["training_data", "item_meta_data"]

_LONGEST_NAME = 200
_UNFIT = re.compile(r"[^\w.\-]")


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of a project. Once unlinked it has no name and no size."""

    uid: str
    kind: Kind
    project: int
    #: Path that clients see; it leads nowhere but to the name.
    file: str | None
    basename: str | None
    filesize: int | None
    #: Where the bytes as uploaded, and the normalised table, lie in the blob store.
    blob_key: str
    table_key: str
    table_digest: str
    rows: int
    valid_columns: list[str] | None
    ins_datetime: datetime
    #: Where its rows become items: the column that names them, and the first that is none yet.
    item_column: str | None = None
    items_from: int | None = None
    id: int = 0

    @property
    def preview_key(self) -> str:
        """Return where the first rows lie, fit to be shown."""
        return self.table_key.removesuffix(".parquet") + ".preview.json"

    @property
    def blobs(self) -> tuple[str, ...]:
        """Return the keys of everything that goes with the file."""
        return self.blob_key, self.table_key, self.preview_key

    def changed(self, tenant_id: str, *, at: datetime) -> DataFileChanged:
        """Return the fact that other services hear."""
        there = self.filesize is not None
        return DataFileChanged(
            tenant_id=tenant_id,
            occurred_at=at,
            kind=self.kind,
            file_id=self.id,
            project_id=self.project,
            basename=self.basename,
            table_key=self.table_key if there else None,
            table_digest=self.table_digest if there else None,
            rows=self.rows,
        )

    def deleted(self, tenant_id: str, *, at: datetime) -> DataFileDeleted:
        """Return the fact that it is gone."""
        return DataFileDeleted(
            tenant_id=tenant_id,
            occurred_at=at,
            kind=self.kind,
            file_id=self.id,
            project_id=self.project,
        )


def plain_name(sent: str) -> str:
    """Return a file name that is only a name, whatever a client called its file.

    Folders fall away, spaces become `_`, and what could mean something to a shell, a browser or a
    spreadsheet does too; the suffixes, which say what the file is, stay.
    """
    last = re.split(r"[/\\]", sent)[-1].strip()
    name = _UNFIT.sub("_", last).lstrip(".")
    if len(name) > _LONGEST_NAME:
        name = name[:100] + name[-100:]
    return name or "upload"
