"""No input gives a 5xx, and every refusal is a problem: seeded property-based calls to every
operation of the merged schema. One set of back ends is sent what the schema allows, the other what
it does not.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

from tests import local
from tests.e2e.conftest import Tenant, lasting
from tests.running import RunningStack

anew = contextmanager(lasting)

#: Calls per operation and caller; with some hundred operations this stays within minutes.
EXAMPLES = 4
SEED = 20_260_101
MODES = {"embedded": GenerationMode.POSITIVE, "servers": GenerationMode.NEGATIVE}
#: These end the session, the key or the person of whoever calls them, so it is somebody new.
ENDING = ("/logout", "/revoke", "password", "/deactivate", "/toggle-status", "/users/{id}")


@pytest.fixture(scope="module")
def schema(stack: RunningStack) -> dict[str, Any]:
    answer = local.get(f"{stack.base_url}/api/v1/schema/?format=json", timeout=30)
    document: dict[str, Any] = answer.raise_for_status().json()
    return document


@pytest.fixture(scope="module")
def owner(stack: RunningStack) -> Iterator[Tenant]:
    yield from lasting(stack)


@pytest.fixture
def mode(request: pytest.FixtureRequest) -> GenerationMode:
    """Return what this set of back ends is sent."""
    return MODES[request.node.callspec.params["stack"]]


@pytest.mark.parametrize("kind", ["nobody", "admin", "key"])
def test_no_call_gives_a_server_error(
    stack: RunningStack, schema: dict[str, Any], owner: Tenant, mode: GenerationMode, kind: str
) -> None:
    failures: list[str] = []
    for result in schemathesis.openapi.from_dict(schema).get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        somebody = anew(stack) if kind == "admin" and ends(operation) else nullcontext(owner)
        with somebody as caller, session_of(credentials(caller, kind)) as session:
            failures += fuzz(operation, mode, stack.base_url, session)
    assert failures == []


def ends(operation: Any) -> bool:
    return operation.method != "get" and any(part in operation.path for part in ENDING)


def credentials(tenant: Tenant, kind: str) -> Mapping[str, str]:
    if kind == "key":
        return {"X-API-Key": tenant.api_key}
    return {"Authorization": f"Bearer {tenant.token}"} if kind == "admin" else {}


def session_of(headers: Mapping[str, str]) -> requests.Session:
    session = requests.Session()
    session.headers.update(headers)
    # Signing in by chance must not make somebody else of the caller.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def fuzz(
    operation: Any, mode: GenerationMode, base_url: str, session: requests.Session
) -> list[str]:
    """Call one operation; return every answer that is a failure, or a refusal in another form."""
    failures: list[str] = []

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case: Any) -> None:
        # Headers that no client can send are not sent.
        with suppress(requests.exceptions.InvalidHeader, requests.exceptions.InvalidURL):
            answer = case.call(base_url=base_url, session=session, timeout=30)
            if answer.status_code >= 500 or not is_well_formed(answer):
                failures.append(f"{case.as_curl_command()} {answer.status_code} {answer.text}")

    # What a schema allows, or does not, may be nothing that can be written down.
    with suppress(Unsatisfiable):
        call()
    return failures


def is_well_formed(answer: Any) -> bool:
    """Tell whether an answer is no refusal, or one that says of itself what it is."""
    if answer.status_code < 400 or answer.request.method == "HEAD":
        return True
    [kind] = answer.headers["content-type"]
    told: dict[str, Any] = answer.json() if kind == "application/problem+json" else {}
    return bool(told.get("status") == answer.status_code)
