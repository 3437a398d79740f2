"""Every member of every operation, one at a time in an otherwise sound request, holds what no sane
client sends: no 5xx, each refusal a problem, nothing half kept, and every list readable afterwards.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx
import orjson
import pytest

from gateway.routes import ROUTES
from tests import local
from tests.e2e.conftest import PASSWORD, Tenant, lasting
from tests.e2e.estate import Estate, estate_of
from tests.e2e.journey import TRAINING_LIMIT, is_problem
from tests.e2e.wire_samples import (
    Sample,
    members,
    path_of,
    samples,
    spelled,
)
from tests.e2e.wire_values import BODIES, ENCODED, MEGABYTE, fragments
from tests.running import RunningStack, until

JSON = {"Content-Type": "application/json"}
#: Requests in flight: some wait a moment for word of what they name, some make a processor work.
AT_ONCE = 4
#: These end the session of whoever calls them; the document itself was read before.
UNSENT = {"POST /api/v1/auth/logout", "POST /auth/v1/logout", "GET /api/v1/schema"}
#: Operations with two spellings that keep a processor busy with passwords: the spelling that each
#: set of back ends is not sent.
BUSY = ("login", "register")
TWINS = {"embedded": "/api/v1/auth/", "servers": "/api/auth/"}
#: What a generation, which a sound sample orders, may have taken away.
REPLACED = {"/api/recommendations/{id}"}
#: What is shown to whoever has a token that the sweep has not.
TOKENED = {"/api/v1/tenant_deletion"}
#: What says when something was looked at or touched last.
TOUCHED = {"updated_at", "updatedAt", "last_used_at", "last_login", "lastActiveAt", "revision"}


@pytest.fixture(scope="module")
def owner(stack: RunningStack) -> Iterator[Tenant]:
    yield from lasting(stack)


@pytest.fixture(scope="module")
def estate(owner: Tenant) -> Estate:
    estate = estate_of(owner)
    for kind in ("parameter_tuning_job", "retraining_run"):
        path = f"/api/v1/{kind}"
        until(partial(is_over, owner, f"{path}/{estate.ids[path]}/"), within=TRAINING_LIMIT)
    # Somebody else of the tenant's, for what changes or ends people.
    account = {"email": f"second-{owner.email}", "name": "Second", "password": PASSWORD}
    second = owner.client.post("/api/users", json=account).raise_for_status().json()
    ids = {"/api/users": str(second["uid"]), "/api/v1/users": str(second["pk"])}
    return Estate(owner, {**estate.ids, **ids}, estate.body)


def is_over(tenant: Tenant, path: str) -> bool:
    found = tenant.client.get(path).raise_for_status().json()
    return found["status"] not in {"PENDING", "RUNNING"}


@pytest.fixture(scope="module")
def document(stack: RunningStack) -> dict[str, Any]:
    answer = local.get(f"{stack.base_url}/api/v1/schema/?format=json", timeout=30)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


@pytest.fixture
def caller(stack: RunningStack, estate: Estate) -> Iterator[Tenant]:
    """Return the owner, signed in anew: a sweep takes a good part of a token's life."""
    tenant = estate.tenant
    account = {"email": tenant.email, "password": PASSWORD}
    with local.Client(base_url=stack.base_url, timeout=60) as client:
        answer = client.post("/api/auth/login", json=account).raise_for_status()
        token = str(answer.json()["token"])
        client.cookies.clear()
        client.headers["Authorization"] = f"Bearer {token}"
        yield replace(tenant, client=client, token=token)


@pytest.fixture
def swept(document: dict[str, Any], estate: Estate, caller: Tenant) -> list[Sample]:
    """Return a sample for every operation, those that make things before those that name them."""
    found = samples(document, estate, owned_by(caller))
    return sorted((s for s in found if s.name not in UNSENT), key=lambda s: s.template)


def owned_by(caller: Tenant) -> dict[str, Any]:
    """Return members that are sound for one operation alone."""
    signing_in = {"email": caller.email, "username": None, "password": PASSWORD}
    same = {"old_password": PASSWORD, "new_password": PASSWORD}
    both = {"old_password": None, "new_password1": PASSWORD, "new_password2": PASSWORD}
    return {
        "POST /api/auth/login": signing_in,
        "POST /api/v1/auth/login": signing_in,
        "POST /auth/v1/token": {**signing_in, "refresh_token": None},
        "POST /auth/v1/signup": {"data": {"name": "Ada"}},
        "POST /api/v1/auth/token/verify": {"token": caller.token},
        "POST /api/v1/auth/password/change": both,
        "POST /api/v1/users/change_password": same,
        "POST /api/v1/users/{id}/change_password": same,
        "POST /api/v1/users/{id}/reset_password": same,
        # The sweep needs the tenant to the end.
        "DELETE /api/v1/tenant": {"password": "not the password"},
        "POST /api/auth/register": {"invitation": None},
        "POST /api/v1/auth/register": {"invitation": None},
    }


#: Sound requests that the present state refuses.
REFUSED = {
    "DELETE /api/v1/tenant": 400,
    "POST /api/v1/auth/token/refresh": 401,
    "POST /api/v1/users/{id}/change_password": 403,
    "POST /api/v1/ab_test/{id}/promote_winner": 400,
    "POST /api/v1/retraining_schedule": 400,  # a project has one
}


@pytest.mark.parametrize("service", sorted({route.owner for route in ROUTES.routes}))
def test_no_member_breaks_anything(
    service: str, swept: list[Sample], caller: Tenant, request: pytest.FixtureRequest
) -> None:
    passed_over = {f"{TWINS[request.node.callspec.params['stack']]}{what}" for what in BUSY}
    own = [
        each
        for each in swept
        if owner_of(each) == service and each.body is not None and each.template not in passed_over
    ]
    assert own
    failures: list[str] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for sample in own:
            watched = Watch(caller.client, sample, swept)
            answer = send(caller.client, sample, spelled(sample.body))
            if not (answer.is_success or answer.status_code == REFUSED.get(sample.name)):
                failures.append(f"{sample.name}: sound, but {answer.status_code} {answer.text}")
            kinds, bodies = zip(*bodies_of(sample), strict=True)
            answers = list(pool.map(partial(send, caller.client, sample), bodies))
            failures += unfit(sample.name, kinds, answers)
            failures += watched.complaints([answer, *answers])
    assert failures == []
    assert unreadable(caller.client, swept) == []


def test_no_address_breaks_anything(swept: list[Sample], estate: Estate, caller: Tenant) -> None:
    failures: list[str] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for sample in swept:
            body = None if sample.body is None else spelled(sample.body)
            targets = list(addresses_of(sample, estate))
            ask = partial(asked, caller.client, sample.method, content=body, headers=JSON)
            answers = list(pool.map(ask, targets))
            failures += unfit(sample.name, targets, answers)
    assert failures == []
    assert unreadable(caller.client, swept) == []


def test_no_form_breaks_anything(swept: list[Sample], caller: Tenant) -> None:
    uploads = [each for each in swept if each.media_type == "multipart/form-data"]
    assert uploads
    for sample in uploads:
        watched = Watch(caller.client, sample, swept)
        for project in ("\x00", "\u202e1", "1e308", str(2**63), str(2**64), "-0", "x" * MEGABYTE):
            file = {"file": ("a.csv", b"user_id,item_id,timestamp\nu,i,2026-01-01\n")}
            answer = caller.client.post(sample.path, data={"project": project}, files=file)
            assert is_problem(answer, 400)
        assert watched.complaints([]) == []


def owner_of(sample: Sample) -> str:
    """Return the service that answers an operation."""
    match = ROUTES.find(sample.path)
    assert match is not None
    return match.route.owner


class Watch:
    """What an operation may have changed: the thing itself, or how many there are."""

    def __init__(self, client: httpx.Client, sample: Sample, all_of_them: list[Sample]) -> None:
        """Look at it as it is before the sweep."""
        self._client = client
        self._sample = sample
        shown = {each.template for each in all_of_them if each.method == "GET"}
        self._is_shown = sample.template in shown
        self._before = self._look()

    def complaints(self, answers: Sequence[httpx.Response]) -> list[str]:
        """Return what is not as the answers said."""
        if not self._is_shown:
            return []
        found, done = self._look(), [each for each in answers if each.is_success]
        if self._sample.method == "POST":
            expected = [self._before + len(done)]
        else:
            # They went out side by side: any of them may have been the last.
            expected = [self._before, *(without_touched(each.json()) for each in done)]
        return [] if found in expected else [f"{self._sample.name}: {found} is kept"]

    def _look(self) -> Any:
        if not self._is_shown:
            return None
        found = self._client.get(self._sample.path).raise_for_status().json()
        if self._sample.method == "POST":
            return found["count"] if "count" in found else found["total"]
        return without_touched(found)


def without_touched(shown: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if name not in TOUCHED}


def send(client: httpx.Client, sample: Sample, content: bytes) -> httpx.Response:
    return asked(
        client, sample.method, sample.path, params=dict(sample.query), content=content, headers=JSON
    )


def asked(client: httpx.Client, method: str, target: str, **more: Any) -> httpx.Response:
    """Return an answer; that of a machine with too much to do says nothing of what was sent."""

    def attempt() -> httpx.Response | None:
        answer = client.request(method, target, **more)
        return None if answer.status_code == 503 else answer

    return until(attempt, within=60, every=1)


def bodies_of(sample: Sample) -> Iterator[tuple[str, bytes]]:
    """Yield each spoilt body with what is wrong with it."""
    yield from BODIES.items()
    for place, schema in members(sample.schema or {}, sample.body):
        for kind, fragment in fragments(schema):
            yield f"{place} {kind}", spelled(sample.body, place, fragment)


def addresses_of(sample: Sample, estate: Estate) -> Iterator[str]:
    """Yield targets whose path, or one parameter of whose query, is spoilt."""
    asked = "&".join(f"{name}={quote(str(value))}" for name, value in sample.query.items())
    for spoilt in ENCODED:
        if "{" in sample.template:
            yield f"{path_of(sample.template, estate, instead=spoilt)}?{asked}"
        for name in sample.parameters:
            yield f"{sample.path}?{asked}&{name}={spoilt}"


def unfit(name: str, kinds: Sequence[str], answers: Sequence[httpx.Response]) -> list[str]:
    return [
        f"{name} {kind[:200]}: {answer.status_code} {answer.text[:300]}"
        for kind, answer in zip(kinds, answers, strict=True)
        if not is_fit(answer)
    ]


def is_fit(answer: httpx.Response) -> bool:
    """Tell whether an answer is a success, or a refusal that is a problem which can be read."""
    if answer.status_code < 400:
        return True
    kind = answer.headers.get("content-type")
    if answer.status_code >= 500 or kind != "application/problem+json":
        return False
    told = orjson.loads(answer.content)
    return bool(told["status"] == answer.status_code and len(answer.content) < 64 * 1024)


def unreadable(client: httpx.Client, swept: list[Sample]) -> list[str]:
    """Return the lists and things of the tenant that cannot be read."""
    found = []
    for sample in swept:
        if sample.method != "GET" or sample.template in REPLACED | TOKENED:
            continue
        answer = client.get(sample.path, params=dict(sample.query))
        if not answer.is_success:
            found.append(f"{sample.name}: {answer.status_code} {answer.text}")
        elif answer.headers["content-type"] == "application/json":
            orjson.loads(answer.content)
    return found
