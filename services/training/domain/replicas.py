"""Facts of other services, as far as training must know them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Project:
    """A project and the column names of its data files."""

    project_id: int
    name: str
    user_column: str
    item_column: str
    time_column: str | None


@dataclass(frozen=True, slots=True)
class DataFile:
    """An uploaded file; `table_key` names its normalised table until the file is unlinked."""

    file_id: int
    project_id: int
    table_key: str | None
    table_digest: str | None
    rows: int


@dataclass(frozen=True, slots=True)
class Kept:
    """An interaction as training keeps it: who, what, how strongly, when."""

    sequence: int
    user_id: str
    item_id: str
    weight: float
    #: Microseconds since 1970.
    at: int
