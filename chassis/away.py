"""Whether a failure says that something outside is away or full: the same may succeed later."""

import errno

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from chassis.blobs import BlobsUnavailable
from chassis.documents import DocumentsUnavailable
from chassis.problems import Unavailable

_ALWAYS = (
    BlobsUnavailable,
    ConnectionError,
    DocumentsUnavailable,
    InterfaceError,
    OperationalError,
    PoolExhausted,
    TimeoutError,
    Unavailable,
)
#: Of the machine: no space, no more files, a disk that fails.
_ERRNOS = frozenset(
    {
        errno.EDQUOT,
        errno.EFBIG,
        errno.EHOSTUNREACH,
        errno.EIO,
        errno.EMFILE,
        errno.ENETUNREACH,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ENOSPC,
        errno.EROFS,
    }
)
#: Of PostgreSQL: connection lost, transaction to be repeated, resources used up (the disk, too),
#: an operator or a shutdown, an error of the machine. Its driver gives them no class of their own.
_SQL_STATES = ("08", "40", "53", "57", "58")


#: The transaction was refused for the sake of another one: a deadlock, or an order that cannot be.
_AGAIN = "40"
#: Data that no column of the table can hold: too long, out of range, a character without a place.
_UNFIT = "22"


def is_refused_for_now(error: BaseException | None) -> bool:
    """Tell whether the database gave another transaction the precedence: this one may try again."""
    return isinstance(error, DBAPIError) and _state_of(error).startswith(_AGAIN)


def is_unfit(error: BaseException | None) -> bool:
    """Tell whether the database cannot hold a value: no second try will be better."""
    if not isinstance(error, DBAPIError):
        return False
    # The driver looks, too, and finds numbers that are too large before the server does.
    cause = getattr(error.orig, "__cause__", None)
    refused_by_driver = isinstance(cause, asyncpg.InterfaceError) and isinstance(cause, ValueError)
    return refused_by_driver or _state_of(error).startswith(_UNFIT)


def _state_of(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


def is_away(error: BaseException | None) -> bool:
    """Tell whether the same may succeed later, without a change of what was asked."""
    if is_unfit(error):
        return False
    if isinstance(error, _ALWAYS):
        return True
    if isinstance(error, OSError):
        return error.errno in _ERRNOS
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _state_of(error).startswith(_SQL_STATES)
    return False
