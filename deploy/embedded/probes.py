"""How one sees from outside that a process is ready."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx

from embedded import ports

PATIENCE = 3.0
#: Everything is on this machine; a client would otherwise read all certificates at each question.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a process says of itself."""

    ready: bool
    version: str | None = None
    lag: int | None = None


Probe = Callable[[], Awaitable[Readiness]]


def port_is_open(port: int) -> Probe:
    """Ready is who accepts connections."""

    async def probe() -> Readiness:
        try:
            _, writer = await asyncio.wait_for(
                asyncio.open_connection(ports.HOST, port), timeout=PATIENCE
            )
        except (OSError, TimeoutError):
            return Readiness(ready=False)
        writer.close()
        return Readiness(ready=True)

    return probe


def says_yes(question: Callable[[], bool]) -> Probe:
    """Ready is whom a question, which may take a while, finds ready."""

    async def probe() -> Readiness:
        return Readiness(await asyncio.to_thread(question))

    return probe


def answers_ready(url: str) -> Probe:
    """Ready is who says so at /readyz."""

    async def probe() -> Readiness:
        try:
            async with httpx.AsyncClient(
                timeout=PATIENCE, verify=NO_TLS, trust_env=False
            ) as client:
                answer = (await client.get(f"{url}/readyz")).json()
        except (httpx.HTTPError, ValueError):
            return Readiness(ready=False)
        return Readiness(bool(answer.get("ready")), answer.get("version"), answer.get("lag"))

    return probe
