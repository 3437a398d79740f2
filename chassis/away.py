"""Whether a failure says that something outside is away or full: the same may succeed later."""

import errno

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


def is_away(error: BaseException | None) -> bool:
    """Tell whether the same may succeed later, without a change of what was asked."""
    if isinstance(error, _ALWAYS):
        return True
    if isinstance(error, OSError):
        return error.errno in _ERRNOS
    if isinstance(error, DBAPIError):
        state = str(getattr(error.orig, "sqlstate", None) or "")
        return error.connection_invalidated or state.startswith(_SQL_STATES)
    return False
