"""Whether a failure is waited for, or given up."""

import errno

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from chassis.away import is_away
from chassis.blobs import BlobsUnavailable
from chassis.documents import DocumentsUnavailable
from chassis.problems import Conflict, Unavailable


class Said(Exception):
    """What PostgreSQL's driver says."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


def failed(sqlstate: str, *, lost: bool = False) -> DBAPIError:
    return DBAPIError("select 1", {}, Said(sqlstate), connection_invalidated=lost)


@pytest.mark.parametrize(
    "error",
    [
        failed("57P01"),  # the server is being shut down
        failed("57P03"),  # it is still starting
        failed("53100"),  # its disk is full
        failed("40P01"),  # two transactions held each other up
        failed("08006"),
        failed("XX000", lost=True),
        PoolExhausted(),
        ConnectionRefusedError(),
        OSError(errno.ENOSPC, "no space"),
        TimeoutError(),
        BlobsUnavailable("full"),
        DocumentsUnavailable("away"),
        Unavailable(),
    ],
    ids=repr,
)
def test_what_is_away_is_waited_for(error: Exception) -> None:
    assert is_away(error)


@pytest.mark.parametrize(
    "error",
    [
        failed("42P01"),  # there is no such table
        failed("22003"),  # a number out of range
        IntegrityError("insert", {}, Said("23505")),
        FileNotFoundError(errno.ENOENT, "no such file"),
        ValueError(),
        Conflict(),
    ],
    ids=repr,
)
def test_what_will_never_succeed_is_given_up(error: Exception) -> None:
    assert not is_away(error)
