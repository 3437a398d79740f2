"""One line of the ledger."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Door(StrEnum):
    """Who may come in. `MEMBER` is any credential with the method's scope: read or write."""

    PUBLIC = "public"
    MEMBER = "member"
    PREDICT = "predict"
    PERSON = "person"
    ADMIN = "admin"


class Status(StrEnum):
    """Whether the operation is answered today."""

    SERVED = "served"
    PLANNED = "planned"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation at its exact path, written without the optional trailing slash."""

    method: str
    path: str
    owner: str
    door: Door
    status: Status


def table(lines: Iterable[tuple[str, str, str, Door]], status: Status) -> tuple[Operation, ...]:
    """Return the operations of lines of method, path, owner and door."""
    return tuple(Operation(*line, status) for line in lines)
