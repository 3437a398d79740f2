"""Where JSON documents are kept, one namespace per tenant. The URL's scheme picks the adapter."""

from urllib.parse import urlsplit

from chassis.documents.port import (
    Document,
    DocumentExists,
    DocumentInvalid,
    Documents,
    DocumentsUnavailable,
    Filter,
    OneOf,
    Range,
    Scalar,
)


def open_documents(url: str) -> Documents:
    """Return the store behind `sqlite:///<file>` or `mongodb://<host>/<database>`."""
    match urlsplit(url).scheme:
        case "sqlite":
            from chassis.documents.embedded import SqliteDocuments

            return SqliteDocuments.at(url)
        case "mongodb" | "mongodb+srv":
            from chassis.documents.mongo import MongoDocuments

            return MongoDocuments(url)
        case other:
            raise ValueError(f"no document store speaks {other!r}: use sqlite or mongodb")


__all__ = [
    "Document",
    "DocumentExists",
    "DocumentInvalid",
    "Documents",
    "DocumentsUnavailable",
    "Filter",
    "OneOf",
    "Range",
    "Scalar",
    "open_documents",
]
