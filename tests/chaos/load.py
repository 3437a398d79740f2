"""Steady load that remembers what was acknowledged, and keeps asking until everything is."""

import asyncio
import contextlib
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

_USERS = 400
_ITEMS = 60
#: Seconds between two calls of one client: steady, not as fast as the machine can.
_PACE = 0.01


@dataclass
class Ledger:
    """Event ids by the door they went through, and those that were answered with success."""

    sent: dict[str, dict[str, Any]] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)

    @property
    def open(self) -> list[str]:
        """Return the ids whose fate is not known."""
        return [event_id for event_id in self.sent if event_id not in self.acknowledged]


@dataclass
class Load:
    """One tenant's interactions by HTTP and Kafka and conversions by HTTP, until told to stop."""

    base_url: str
    kafka: str
    api_key: str
    tenant_topic: str
    project: int
    slot: int
    http: Ledger = field(default_factory=Ledger)
    streamed: Ledger = field(default_factory=Ledger)
    conversions: Ledger = field(default_factory=Ledger)
    refused: list[str] = field(default_factory=list)
    #: Calls of any kind that were answered; a killer waits for it to move before striking.
    answered: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)
    dice: random.Random = field(default_factory=lambda: random.Random(5))

    @property
    def interactions(self) -> list[dict[str, Any]]:
        """Return every interaction sent, through either door."""
        return [*self.http.sent.values(), *self.streamed.sent.values()]

    async def run(self) -> None:
        """Load until `over` is set, then settle every call whose answer was lost."""
        async with httpx.AsyncClient(
            base_url=self.base_url, headers={"X-API-Key": self.api_key}, timeout=10
        ) as client:
            await asyncio.gather(
                *(self._post(client, self.http, self._interact) for _each in range(3)),
                self._post(client, self.conversions, self._convert),
                self._stream(),
            )
            for event_id in self.http.open:
                await self._settle(client, self.http, event_id, "/api/v1/interactions")
            for event_id in self.conversions.open:
                await self._settle(client, self.conversions, event_id, "/api/v1/conversion_event/")

    async def _post(
        self,
        client: httpx.AsyncClient,
        ledger: Ledger,
        call: Callable[[httpx.AsyncClient, str], Awaitable[None]],
    ) -> None:
        while not self.over.is_set():
            event_id = f"{id(ledger):x}-{len(ledger.sent)}"
            await call(client, event_id)
            await asyncio.sleep(_PACE)

    async def _interact(self, client: httpx.AsyncClient, event_id: str) -> None:
        self.http.sent[event_id] = {**self._interaction(), "eventId": event_id}
        await self._attempt(client, self.http, event_id, "/api/v1/interactions")

    async def _convert(self, client: httpx.AsyncClient, event_id: str) -> None:
        self.conversions.sent[event_id] = {
            "project": self.project,
            "deployment_slot": self.slot,
            "user_id": self._user(),
            "event_type": "click",
            "eventId": event_id,
        }
        await self._attempt(client, self.conversions, event_id, "/api/v1/conversion_event/")

    async def _attempt(
        self, client: httpx.AsyncClient, ledger: Ledger, event_id: str, path: str
    ) -> None:
        try:
            answer = await client.post(path, json=ledger.sent[event_id])
        except httpx.HTTPError:
            await asyncio.sleep(0.05)
            return
        if answer.status_code == 201:
            ledger.acknowledged.add(event_id)
            self.answered += 1
        elif answer.status_code not in {502, 503, 504}:
            self.refused.append(f"{path} {answer.status_code} {answer.text[:200]}")

    async def _settle(
        self, client: httpx.AsyncClient, ledger: Ledger, event_id: str, path: str
    ) -> None:
        for _try in range(100):
            await self._attempt(client, ledger, event_id, path)
            if event_id in ledger.acknowledged:
                return
            await asyncio.sleep(0.2)
        raise AssertionError(f"{event_id} was never answered: {self.refused[-1:]}")

    async def _stream(self) -> None:
        """Produce with acks=all; what a broken connection left unknown is sent again."""
        while not (self.over.is_set() and not self.streamed.open):
            producer = AIOKafkaProducer(
                bootstrap_servers=self.kafka, acks="all", request_timeout_ms=5000
            )
            try:
                await asyncio.wait_for(producer.start(), 10)
                await self._produce(producer)
            except (KafkaError, OSError, TimeoutError):
                await asyncio.sleep(0.2)
            finally:
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(producer.stop(), 5)

    async def _produce(self, producer: AIOKafkaProducer) -> None:
        for event_id in self.streamed.open:
            await self._write(producer, event_id)
        while not self.over.is_set():
            event_id = f"k-{len(self.streamed.sent)}"
            self.streamed.sent[event_id] = {**self._interaction(), "eventId": event_id}
            await self._write(producer, event_id)
            await asyncio.sleep(_PACE)

    async def _write(self, producer: AIOKafkaProducer, event_id: str) -> None:
        value = json.dumps(self.streamed.sent[event_id]).encode()
        await asyncio.wait_for(producer.send_and_wait(self.tenant_topic, value=value), 10)
        self.streamed.acknowledged.add(event_id)

    def _interaction(self) -> dict[str, Any]:
        return {
            "userId": self._user(),
            "itemId": f"item-{self.dice.randrange(_ITEMS)}",
            "interactionType": self.dice.choice(["view", "click", "like", "purchase"]),
        }

    def _user(self) -> str:
        return f"user-{self.dice.randrange(_USERS)}"
