"""No input gives a 5xx: seeded property-based calls to every operation of the merged schema."""

from collections.abc import Iterator
from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok

from tests.e2e.conftest import Tenant, lasting
from tests.running import RunningStack

#: Calls per operation and caller; with some hundred operations this stays within minutes.
EXAMPLES = 4
SEED = 20_260_101
#: These end the session, the key or the person that the fuzzing itself uses.
SPARED = ("/logout", "/revoke", "/password", "/deactivate", "/toggle-status", "/users/{id}")


@pytest.fixture(scope="module")
def schema(stack: RunningStack) -> dict[str, Any]:
    answer = httpx.get(f"{stack.base_url}/api/v1/schema/?format=json", timeout=30)
    document: dict[str, Any] = answer.raise_for_status().json()
    return document


@pytest.fixture(scope="module")
def owner(stack: RunningStack) -> Iterator[Tenant]:
    yield from lasting(stack)


@pytest.fixture(params=["nobody", "admin", "key"])
def session(request: pytest.FixtureRequest, owner: Tenant) -> Iterator[requests.Session]:
    """Return a session for each kind of caller."""
    credentials = {
        "nobody": {},
        "admin": {"Authorization": f"Bearer {owner.token}"},
        "key": {"X-API-Key": owner.api_key},
    }
    with requests.Session() as session:
        session.headers.update(credentials[request.param])
        # Signing in by chance must not make somebody else of the caller.
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        yield session


def test_no_call_gives_a_server_error(
    stack: RunningStack, schema: dict[str, Any], session: requests.Session
) -> None:
    failures: list[str] = []
    loaded = schemathesis.openapi.from_dict(schema)
    for result in loaded.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        if operation.method != "get" and any(part in operation.path for part in SPARED):
            continue
        failures += fuzz(operation, stack.base_url, session)
    assert failures == []


def fuzz(operation: Any, base_url: str, session: requests.Session) -> list[str]:
    """Call one operation with what its schema allows; return every answer of 500 and above."""
    failures: list[str] = []

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def call(case: Any) -> None:
        # Headers that no client can send are not sent.
        with suppress(requests.exceptions.InvalidHeader, requests.exceptions.InvalidURL):
            answer = case.call(base_url=base_url, session=session, timeout=30)
            if answer.status_code >= 500:
                failures.append(f"{case.as_curl_command()} {answer.status_code} {answer.text}")

    # What a schema allows may be nothing that can be written down.
    with suppress(Unsatisfiable):
        call()
    return failures
