"""Where a stack keeps everything, found by the settings that its services read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from chassis.settings import Settings
from embedded.stack import SERVICES

#: What a MongoDB, one for all services, is called in a backup.
SHARED = "shared"


@dataclass(frozen=True, slots=True)
class Places:
    """The stores of one stack: a database per service, documents, blobs, keys and files."""

    home: Path
    keys: Path
    databases: Mapping[str, str]
    documents: Mapping[str, str]
    blobs: str

    @classmethod
    def of(cls, settings: Settings) -> "Places":
        """Return the places that the services' settings name."""
        documents = (
            {SHARED: settings.documents_url}
            if settings.documents_url
            else {name: settings.documents(name) for name in SERVICES}
        )
        return cls(
            home=settings.home.resolve(),
            keys=settings.key_file(".").resolve(),
            databases={name: settings.database(name) for name in SERVICES},
            documents=documents,
            blobs=settings.blobs(),
        )

    @property
    def database_kind(self) -> str:
        """Return which databases these are: sqlite or postgresql."""
        return kind_of(next(iter(self.databases.values())))

    @property
    def document_kind(self) -> str:
        """Return which document stores these are: sqlite or mongodb."""
        return kind_of(next(iter(self.documents.values())))


def kind_of(url: str) -> str:
    """Return the kind of store behind a URL, whatever the driver: `mongodb+srv` is mongodb."""
    return url.partition(":")[0].partition("+")[0]


def sqlite_file(url: str) -> Path:
    """Return the file that a SQLite URL names."""
    return Path(make_url(url).database or "")
