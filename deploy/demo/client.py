"""A tenant's back end as the demo plays it: plain HTTP calls with an API key or a token."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import uuid4

import httpx

T = TypeVar("T")
_PASSWORD = uuid4().hex  # the demo's tenant lives on this machine for as long as its folder


class Unexpected(RuntimeError):
    """The platform answered what the story did not expect."""


class BackEnd:
    """One tenant's clients: its admin's, and its back end's with an API key."""

    def __init__(self, url: str) -> None:
        """Speak to the gateway at `url`."""
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
        self._http = httpx.AsyncClient(base_url=url, timeout=60, limits=limits)
        self._token: dict[str, str] = {}
        self._signed_in = 0.0
        self._key: dict[str, str] = {}
        self.email = f"demo-{uuid4().hex[:8]}@example.com"
        self.project = 0

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()

    async def found(self) -> None:
        """Register a tenant, sign in, and make an API key for its default project."""
        person = {"email": self.email, "name": "Dana Demo", "password": _PASSWORD}
        await self._sent("POST", "/api/auth/register", json=person)
        await self._sign_in()
        projects = await eventually(self._projects, "the default project")
        self.project = projects[0]["id"]
        wanted = {
            "project": self.project,
            "name": "demo back end",
            "scopes": ["read", "write", "predict"],
        }
        key = await self.admin("POST", "/api/v1/api_keys/", json=wanted)
        self._key = {"X-API-Key": key["key"]}

    @property
    def key_headers(self) -> dict[str, str]:
        """Return the headers that carry the API key."""
        return dict(self._key)

    async def admin(self, method: str, path: str, **rest: Any) -> Any:
        """Call as the tenant's admin and return the JSON."""
        if time.monotonic() - self._signed_in > 200:
            await self._sign_in()
        return (await self._sent(method, path, headers=self._token, **rest)).json()

    async def call(self, method: str, path: str, **rest: Any) -> Any:
        """Call with the API key and return the JSON."""
        return (await self.answer(method, path, **rest)).json()

    async def answer(self, method: str, path: str, **rest: Any) -> httpx.Response:
        """Call with the API key and return the whole response."""
        headers = {**self._key, **rest.pop("headers", {})}
        return await self._sent(method, path, headers=headers, **rest)

    async def attempt(self, method: str, path: str, **rest: Any) -> httpx.Response | None:
        """Call with the API key and return what came, an error too; None when nothing did."""
        try:
            return await self._http.request(method, path, headers=self._key, **rest)
        except httpx.HTTPError:
            return None

    async def finished(self, job_id: str) -> dict[str, Any]:
        """Wait for a job and return it; a job that failed ends the story."""

        async def look() -> dict[str, Any] | None:
            job: dict[str, Any] = await self.admin("GET", f"/api/v1/jobs/{job_id}")
            if job["status"] in {"failed", "cancelled", "terminated"}:
                raise Unexpected(f"job {job_id} {job['status']}: {job.get('error')}")
            return job if job["status"] == "completed" else None

        return await eventually(look, f"job {job_id}", seconds=240)

    async def _projects(self) -> list[dict[str, Any]]:
        projects = await self.admin("GET", "/api/v1/project/")
        return list(projects["results"])

    async def _sign_in(self) -> None:
        person = {"email": self.email, "password": _PASSWORD}
        answer = await self._sent("POST", "/api/auth/login", json=person)
        self._token = {"Authorization": f"Bearer {answer.json()['token']}"}
        self._signed_in = time.monotonic()

    async def _sent(self, method: str, path: str, **rest: Any) -> httpx.Response:
        try:
            answer = await self._http.request(method, path, **rest)
        except httpx.HTTPError as error:
            raise Unexpected(f"{method} {path}: no answer ({error!r})") from error
        if answer.is_error:
            raise Unexpected(f"{method} {path}: {answer.status_code} {answer.text[:400]}")
        return answer


async def eventually(
    look: Callable[[], Awaitable[T | None]], what: str, *, seconds: float = 60
) -> T:
    """Return the first thing found; say what never came.

    Raises:
        Unexpected: nothing was found in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = await look()
        if found:
            return found
        await asyncio.sleep(0.1)
    raise Unexpected(f"{what} did not appear within {seconds:.0f} s")
