"""What each service holds, read after the storm from its own store and its own API."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Tenant


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query on a service's database, read beside the running service."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def kept_by_catalog(home: Path) -> Counter[str]:
    """Return how often each interaction's event id stands in catalog."""
    database = home / "catalog" / "catalog.db"
    return Counter(row[0] for row in rows(database, "select event_id from interaction"))


def kept_by_experiments(home: Path) -> Counter[str]:
    """Return how often each conversion's event id stands in experiments."""
    database = home / "experiments" / "experiments.db"
    return Counter(row[0] for row in rows(database, "select event_id from conversion"))


def seen_by_training(tenant: Tenant) -> int:
    """Return the number of interactions that training knows."""
    answer = tenant.client.get("/api/v1/algorithms").raise_for_status().json()
    listed: Iterable[dict[str, Any]] = answer["data"] if isinstance(answer, dict) else answer
    return max(int(each["interactions_known"]) for each in listed)


def remembered_by_inference(home: Path) -> set[tuple[str, str]]:
    """Return who met what, by all users' histories; an item met twice stands there once."""
    database = home / "inference" / "documents.db"
    documents = rows(database, "select id, body from documents where collection = 'histories'")
    return {(user, entry[0]) for user, body in documents for entry in json.loads(body)["items"]}


def used_by_billing(tenant: Tenant) -> float:
    """Return the units that billing counted."""
    usage = tenant.client.get("/api/billing/usage").raise_for_status().json()
    return float(usage["requestsUsed"])
