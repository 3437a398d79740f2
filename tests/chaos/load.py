"""Steady load that remembers what was acknowledged, and keeps asking until everything is.

It runs in a thread of its own, so that whoever strikes may wait as he likes. Writes carry ids and
are sent again until they are answered with success; questions are asked once.
"""

import asyncio
import contextlib
import json
import random
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tests import local

_USERS = 400
#: So many of them are in the table that models are trained on.
TRAINED_USERS = 9
_ITEMS = 60
#: Seconds between two calls of one client: steady, not as fast as the machine can.
_PACE = 0.1
#: A training is a process of its own; they would be all that the machine does.
_TRAINING_PACE = 20.0
#: Seconds after which a client gives up: later than the gateway may answer, so that who hangs is
#: seen.
PATIENCE = 25.0
_SETTLING = 60.0

INTERACTION = "interaction"
STREAMED = "streamed"
CONVERSION = "conversion"
PREDICTION = "prediction"
RECOMMENDATION = "recommendation"
TRAINING = "training"
KINDS = (INTERACTION, STREAMED, CONVERSION, PREDICTION, RECOMMENDATION, TRAINING)

_PATHS = {
    INTERACTION: "/api/v1/interactions",
    CONVERSION: "/api/v1/conversion_event/",
    RECOMMENDATION: "/api/v1/recommend",
    TRAINING: "/api/v1/trained_model/",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call and what came of it; without a status there was no answer at all."""

    kind: str
    began: float
    ended: float
    status: int | None
    text: str = ""
    retry_after: str | None = None

    @property
    def succeeded(self) -> bool:
        """Tell whether the answer was a success."""
        return self.status is not None and self.status < 300

    @property
    def is_honest(self) -> bool:
        """Tell whether it succeeded, or was told when to ask again."""
        return self.succeeded or (self.status in {429, 503, 504} and self.retry_after is not None)


@dataclass
class Ledger:
    """Writes of one kind by their event ids, and those that were answered with success."""

    sent: dict[str, dict[str, Any]] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)

    @property
    def open(self) -> list[str]:
        """Return the ids whose fate is not known."""
        return [event_id for event_id in self.sent if event_id not in self.acknowledged]


@dataclass(frozen=True, slots=True)
class Target:
    """One tenant's doors and what the load refers to."""

    base_url: str
    kafka: str
    api_key: str
    tenant_id: str
    tenant_topic: str
    project: int
    slots: tuple[int, ...]
    configuration: int
    data: int


class Load:
    """One tenant's calls of every kind, through every door."""

    def __init__(self, target: Target) -> None:
        """Prepare; `start` begins."""
        self.target = target
        self.ledgers = {kind: Ledger() for kind in (INTERACTION, STREAMED, CONVERSION)}
        #: Ids of answered questions, and how many questions were never answered.
        self.served: set[str] = set()
        self.unanswered = 0
        #: Ids of ordered models, and how many orders were never answered.
        self.models: list[int] = []
        self.unconfirmed = 0
        self.calls: list[Call] = []
        self._dice = random.Random(5)
        self._going = threading.Event()
        self._over = threading.Event()
        self._hurried = threading.Event()
        self._began = threading.Event()
        self._idle = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._failure: BaseException | None = None

    # --- what the tests say

    def start(self) -> None:
        """Be ready; the load rests at first."""
        self._thread.start()

    def rest(self) -> None:
        """Stop calling, and return once every write has been answered with success."""
        self._going.clear()
        assert self._idle.wait(_SETTLING + 2 * PATIENCE), self._stuck()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _stuck(self) -> str:
        """Say what the load waits for that does not come to rest."""
        waits = [" > ".join(_awaiting(task.get_coro())) for task in asyncio.all_tasks(self._loop)]
        return "\n".join(["the load does not come to rest:", *waits])

    def resume(self) -> None:
        """Load, until told to rest."""
        self._idle.clear()
        self._began.clear()
        self._going.set()
        assert self._began.wait(PATIENCE), "the load does not begin"

    def hurry(self) -> None:
        """Order a training now."""
        self._hurried.set()

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        self._going.clear()
        self._thread.join(_SETTLING)

    def since(self, moment: float) -> list[Call]:
        """Return the calls that began after a moment of the monotonic clock."""
        return [call for call in list(self.calls) if call.began >= moment]

    def answers_again(self, moment: float) -> bool:
        """Tell whether calls of every kind have succeeded that began after a moment.

        Trainings are rare: for them it counts that none has failed since the last that succeeded.
        """
        calls = list(self.calls)
        again = {call.kind for call in calls if call.succeeded and call.began >= moment}
        trainings = [call.succeeded for call in calls if call.kind == TRAINING]
        return again | {TRAINING} >= set(KINDS) and trainings[-1:] == [True]

    @property
    def interactions(self) -> dict[str, dict[str, Any]]:
        """Return every interaction sent, through either door."""
        return self.ledgers[INTERACTION].sent | self.ledgers[STREAMED].sent

    # --- the thread

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with local.AsyncClient(
            base_url=self.target.base_url,
            headers={"X-API-Key": self.target.api_key},
            timeout=PATIENCE,
        ) as client:
            while not self._over.is_set():
                if not self._going.is_set():
                    await asyncio.sleep(0.02)
                    continue
                self._began.set()
                try:
                    await self._round(client)
                except BaseException as failure:
                    self._failure = failure
                self._idle.set()

    async def _round(self, client: httpx.AsyncClient) -> None:
        """Load until told to rest, then settle every write whose answer was lost."""
        async with asyncio.TaskGroup() as group:
            for _client in range(2):
                work = self._keep(lambda: self._write(client, INTERACTION, self._interaction()))
                group.create_task(work)
            group.create_task(
                self._keep(lambda: self._write(client, CONVERSION, self._conversion()))
            )
            group.create_task(self._keep(lambda: self._predict(client)))
            group.create_task(self._keep(lambda: self._recommend(client)))
            group.create_task(self._keep(lambda: self._train(client), pace=_TRAINING_PACE))
            group.create_task(self._stream())
        for kind in (INTERACTION, CONVERSION):
            for event_id in self.ledgers[kind].open:
                await self._settle(client, kind, event_id)

    async def _keep(self, call: Callable[[], Awaitable[bool]], *, pace: float = _PACE) -> None:
        """Call at a pace; at once again what failed, or what somebody is in a hurry for."""
        while self._going.is_set():
            due = time.monotonic() + (pace if await call() else _PACE)
            while self._going.is_set() and time.monotonic() < due:
                await asyncio.sleep(_PACE)
                if pace > _PACE and self._hurried.is_set():
                    self._hurried.clear()
                    break

    async def _write(self, client: httpx.AsyncClient, kind: str, body: dict[str, Any]) -> bool:
        ledger = self.ledgers[kind]
        event_id = f"{kind}-{len(ledger.sent)}"
        ledger.sent[event_id] = {**body, "eventId": event_id}
        while not (answered := await self._attempt(client, kind, event_id)):
            if not self._going.is_set():
                break
            await asyncio.sleep(_PACE)
        return answered

    async def _attempt(self, client: httpx.AsyncClient, kind: str, event_id: str) -> bool:
        ledger = self.ledgers[kind]
        answer = await self._call(client, kind, _PATHS[kind], ledger.sent[event_id])
        if answer is None or answer.status_code != 201:
            return False
        ledger.acknowledged.add(event_id)
        return True

    async def _settle(self, client: httpx.AsyncClient, kind: str, event_id: str) -> None:
        deadline = time.monotonic() + _SETTLING
        while time.monotonic() < deadline:
            if await self._attempt(client, kind, event_id):
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{event_id} was never answered: {self.calls[-1]}")

    async def _predict(self, client: httpx.AsyncClient) -> bool:
        path = f"/inference/predict/project/{self.target.project}"
        body = {"user_id": f"u{self._dice.randrange(TRAINED_USERS)}", "cutoff": 3}
        answer = await self._call(client, PREDICTION, path, body)
        return self._note_served(answer, lambda found: str(found.json()["request_id"]))

    async def _recommend(self, client: httpx.AsyncClient) -> bool:
        body = {"userId": self._user(), "count": 3}
        answer = await self._call(client, RECOMMENDATION, _PATHS[RECOMMENDATION], body)
        return self._note_served(answer, lambda found: found.headers["Millrace-Request"])

    def _note_served(
        self, answer: httpx.Response | None, id_of: Callable[[httpx.Response], str]
    ) -> bool:
        if answer is None or answer.status_code != 200:
            self.unanswered += 1
            return False
        self.served.add(id_of(answer))
        return True

    async def _train(self, client: httpx.AsyncClient) -> bool:
        order = {"configuration": self.target.configuration, "data_loc": self.target.data}
        answer = await self._call(client, TRAINING, _PATHS[TRAINING], order)
        if answer is None or answer.status_code != 201:
            self.unconfirmed += 1
            return False
        self.models.append(answer.json()["id"])
        return True

    async def _call(
        self, client: httpx.AsyncClient, kind: str, path: str, body: dict[str, Any]
    ) -> httpx.Response | None:
        began = time.monotonic()
        try:
            answer = await client.post(path, json=body)
        except httpx.HTTPError as error:
            self._note(kind, began, None, repr(error))
            await asyncio.sleep(0.05)
            return None
        if answer.status_code >= 300:
            self._note(kind, began, answer, answer.text[:300])
        else:
            self._note(kind, began, answer)
        return answer

    def _note(self, kind: str, began: float, answer: httpx.Response | None, text: str = "") -> None:
        status = answer.status_code if answer is not None else None
        retry_after = answer.headers.get("Retry-After") if answer is not None else None
        self.calls.append(Call(kind, began, time.monotonic(), status, text, retry_after))

    async def _stream(self) -> None:
        """Produce with acks=all; what a broken connection left unknown is sent again."""
        while self._going.is_set() or self.ledgers[STREAMED].open:
            producer = AIOKafkaProducer(
                bootstrap_servers=self.target.kafka, acks="all", request_timeout_ms=5000
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
        ledger = self.ledgers[STREAMED]
        for event_id in ledger.open:
            await self._send(producer, event_id)
        while self._going.is_set():
            event_id = f"k-{len(ledger.sent)}"
            ledger.sent[event_id] = {**self._interaction(), "eventId": event_id}
            await self._send(producer, event_id)
            await asyncio.sleep(_PACE)

    async def _send(self, producer: AIOKafkaProducer, event_id: str) -> None:
        ledger = self.ledgers[STREAMED]
        value = json.dumps(ledger.sent[event_id]).encode()
        began = time.monotonic()
        status = None
        try:
            sending = producer.send_and_wait(self.target.tenant_topic, value=value)
            await asyncio.wait_for(sending, 10)
            ledger.acknowledged.add(event_id)
            status = 200
        finally:
            self.calls.append(Call(STREAMED, began, time.monotonic(), status))

    # --- what is sent

    def _interaction(self) -> dict[str, Any]:
        return {
            "userId": self._user(),
            "itemId": f"item-{self._dice.randrange(_ITEMS)}",
            "interactionType": self._dice.choice(["view", "click", "like", "purchase"]),
        }

    def _conversion(self) -> dict[str, Any]:
        return {
            "project": self.target.project,
            "deployment_slot": self._dice.choice(self.target.slots),
            "user_id": self._user(),
            "event_type": "click",
        }

    def _user(self) -> str:
        return f"u{self._dice.randrange(_USERS)}"


def _awaiting(work: Any) -> Iterator[str]:
    """Yield where a suspended coroutine waits, the outermost place first."""
    while frame := getattr(work, "cr_frame", None) or getattr(work, "ag_frame", None):
        yield f"{frame.f_code.co_qualname}:{frame.f_lineno}"
        work = getattr(work, "cr_await", None) or getattr(work, "ag_await", None)
    yield repr(work)
