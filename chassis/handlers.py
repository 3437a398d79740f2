"""How exceptions become answers: every one a problem, none with internals."""

from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from sqlalchemy.exc import DBAPIError, IntegrityError, NoResultFound
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.orm.exc import StaleDataError
from starlette.exceptions import HTTPException

from chassis import telemetry
from chassis.away import is_away, is_unfit
from chassis.blobs import BlobsUnavailable
from chassis.documents import DocumentsUnavailable
from chassis.edge import body_of
from chassis.problems import (
    BY_STATUS,
    PROBLEM_JSON,
    Conflict,
    Invalid,
    NotFound,
    Problem,
    Unavailable,
)
from chassis.second_try import is_tried_again
from chassis.validation import problem_of


def install(app: FastAPI) -> None:
    """Answer every exception of the application with a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    for passed in (IntegrityError, NoResultFound, StaleDataError):
        app.add_exception_handler(passed, _conflict)
    for kind in (DBAPIError, PoolExhausted, OSError, BlobsUnavailable, DocumentsUnavailable):
        app.add_exception_handler(kind, _away)


def answer(request: Request, problem: Problem) -> Response:
    """Return the response that tells a problem."""
    return Response(
        body_of(problem, request.url.path),
        status_code=problem.status,
        headers=problem.headers,
        media_type=PROBLEM_JSON,
    )


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this class alone
    return answer(request, error)


async def _validation(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError) or isinstance(error, ResponseValidationError):
        raise error
    return answer(request, problem_of(error.errors()))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        problem: Problem = request.app.state.methods.refusal(request.method, request.scope["path"])
    elif error.status_code == HTTPStatus.NOT_FOUND:
        problem = NotFound("Not found.")
    else:
        kind = BY_STATUS.get(error.status_code, Problem)
        problem = kind(str(error.detail), status=error.status_code)
    return answer(request, problem)


async def _conflict(request: Request, error: Exception) -> Response:
    # Two requests raced past a check that both passed: a constraint decided, or the row was gone.
    telemetry.log.warning("another request came first", exc_info=error)
    return answer(request, Conflict("Another request has just changed this."))


async def _away(request: Request, error: Exception) -> Response:
    if is_tried_again(request.scope, error):
        raise error
    if is_unfit(error):
        telemetry.log.warning("the database cannot hold what was sent", exc_info=error)
        return answer(request, Invalid("A value is too long, or otherwise none that can be kept."))
    if not is_away(error):
        raise error
    telemetry.log.error("something that the service needs is away", exc_info=error)
    return answer(request, Unavailable("The service cannot reach what it needs; try again."))
