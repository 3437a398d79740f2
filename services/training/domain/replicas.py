"""Facts of other services, as far as training must know them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Project:
    """A project and the column names of its data files."""

    project_id: int
    name: str
    user_column: str
    item_column: str
    time_column: str | None
    #: The person whose it is; None where it is everybody's.
    owner_id: int | None = None
    revision: int = 0


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

    @property
    def moment(self) -> datetime:
        """Return when it happened, in UTC."""
        return _FIRST + timedelta(microseconds=self.at)


def microseconds(moment: datetime) -> int:
    """Return a moment as microseconds since 1970."""
    return (moment - _FIRST) // timedelta(microseconds=1)


_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
