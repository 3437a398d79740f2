"""MongoDB's documents as lines of extended JSON, so that no program of MongoDB's is needed."""

import gzip
from itertools import islice
from pathlib import Path
from typing import Any

from bson import json_util
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError

from embedded.failure import Failure

_DATABASE = "millrace"
_TIMEOUT_MS = 10_000
_AT_ONCE = 500


def copy(url: str, to: Path) -> None:
    """Write every document of every collection to a file.

    Raises:
        Failure: the server cannot be reached.
    """
    with _client(url) as client, gzip.open(to, "wt", encoding="utf-8") as file:
        try:
            database = _database(client)
            for name in sorted(database.list_collection_names()):
                for document in database[name].find(sort=[("_id", 1)]):
                    file.write(json_util.dumps([name, document]) + "\n")
        except PyMongoError as error:
            raise _unreachable(error) from None


def put_back(source: Path, url: str) -> None:
    """Fill an empty database with the documents of a file.

    Raises:
        Failure: it is not empty, or cannot be reached.
    """
    require_empty(url)
    with _client(url) as client, gzip.open(source, "rt", encoding="utf-8") as file:
        try:
            database = _database(client)
            while lines := list(islice(file, _AT_ONCE)):
                _insert(database, lines)
        except PyMongoError as error:
            raise _unreachable(error) from None


def require_empty(url: str) -> None:
    """Make sure that the database holds no document.

    Raises:
        Failure: it does, or cannot be reached.
    """
    with _client(url) as client:
        try:
            database = _database(client)
            full = [name for name in database.list_collection_names() if database[name].find_one()]
        except PyMongoError as error:
            raise _unreachable(error) from None
    if full:
        raise Failure(f"The document store holds {', '.join(full)}; restore overwrites nothing.")


def _insert(database: Database[dict[str, Any]], lines: list[str]) -> None:
    kept: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        name, document = json_util.loads(line)
        kept.setdefault(name, []).append(document)
    for name, documents in kept.items():
        database[name].insert_many(documents)


def _client(url: str) -> MongoClient[dict[str, Any]]:
    return MongoClient(url, serverSelectionTimeoutMS=_TIMEOUT_MS)


def _database(client: MongoClient[dict[str, Any]]) -> Database[dict[str, Any]]:
    return client.get_default_database(_DATABASE)


def _unreachable(error: PyMongoError) -> Failure:
    # Without the message, which may quote a document or an address with its password.
    return Failure(f"The document store failed: {type(error).__name__}.")
