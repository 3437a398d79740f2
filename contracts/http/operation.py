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


class Who(StrEnum):
    """Whom of a tenant's people an operation answers, and about whose things.

    A key acts as its owner, and within its one project.
    """

    #: Strangers, too.
    EVERYBODY = "everybody"
    #: Every member: it is about what the tenant has in common, or about who asks.
    MEMBER = "member"
    #: Who owns the project that the thing hangs on, or made the configuration, and admins; every
    #: member where nobody owns it.
    OWNER = "owner"
    #: The person whose thing it is, and admins.
    SELF = "self"
    ADMIN = "admin"
    #: Every member, and keys of the tenant's default project.
    DEFAULT = "default"


class Status(StrEnum):
    """Whether the operation is answered today."""

    SERVED = "served"
    PLANNED = "planned"


#: Most bytes of a body for which nobody shows a credential, and of a payment provider's notice.
PUBLIC_BODY_BYTES = 64 * 1024
NOTICE_BODY_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """What an operation bills for each row that it answers or keeps; failures and repeats bill
    nothing.
    """

    #: Hundredths of a billing unit for a row.
    centiunits: int
    #: The member of the body that lists the rows; where there is none, a call is one row.
    rows: str | None = None
    #: Most rows that one call may hold.
    most: int = 1


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation at its exact path, written without the optional trailing slash."""

    method: str
    path: str
    owner: str
    door: Door
    status: Status
    #: Absent: the operation is free.
    cost: Cost | None = None
    #: Absent where the operation is not served yet.
    who: Who | None = None

    @property
    def body_bytes(self) -> int | None:
        """Return the most bytes of a body; None: a setting bounds it, as for all who sign in."""
        return PUBLIC_BODY_BYTES if self.door is Door.PUBLIC else None


Line = (
    tuple[str, str, str, Door]
    | tuple[str, str, str, Door, Who]
    | tuple[str, str, str, Door, Who, Cost]
)

#: One call that bills one unit, and a job that bills a hundredth for each row it comes upon.
SINGLE = Cost(100)
JOB = Cost(1)


def table(lines: Iterable[Line], status: Status) -> tuple[Operation, ...]:
    """Return the operations of lines: method, path, owner, door, who and, where it bills, cost."""
    return tuple(_operation(line, status) for line in lines)


def _operation(line: Line, status: Status) -> Operation:
    method, path, owner, door, *more = line
    who = next((each for each in more if isinstance(each, Who)), None)
    cost = next((each for each in more if isinstance(each, Cost)), None)
    return Operation(method, path, owner, door, status, cost, who)
