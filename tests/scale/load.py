"""A steady load through several gateways, as a back end behind a load balancer makes it."""

import json
import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx
from confluent_kafka import KafkaError, Message, Producer

from tests import local
from tests.e2e.conftest import Tenant

#: Seconds between two requests of one kind, and between two looks at a gateway's readiness.
PACE = 0.3
LOOK_EVERY = 0.5
USERS = 12
log = logging.getLogger(__name__)

#: What a producer writes to Kafka, beside all that is asked by HTTP.
STREAMED = "streamed"
ASKED = (
    "interactions",
    "recommendations",
    "predictions",
    "conversions",
    "projects",
    "configurations",
    "slots",
    "usage",
    "people",
)
KINDS = (*ASKED, STREAMED)


@dataclass(frozen=True)
class Call:
    """One request, whichever gateway it goes to."""

    method: str
    path: str
    headers: Mapping[str, str]
    json: Mapping[str, Any] | None = None


Order = Callable[[int], Call]


@dataclass
class Balancer:
    """Sends requests to the gateways that are ready.

    It sends a request again only where no connection could be made, as any load balancer does.
    """

    urls: Sequence[str]
    ready: set[str] = field(default_factory=set)

    def look(self, client: httpx.Client) -> None:
        """Ask every gateway whether it is ready."""
        for url in self.urls:
            try:
                is_ready = client.get(f"{url}/readyz").status_code == 200
            except httpx.TransportError:
                is_ready = False
            (self.ready.add if is_ready else self.ready.discard)(url)

    def order(self, number: int) -> list[str]:
        """Return the gateways in the order in which a request may try them."""
        turned = [self.urls[(number + step) % len(self.urls)] for step in range(len(self.urls))]
        return sorted(turned, key=lambda url: url not in self.ready)


class Load:
    """Requests of several kinds, each from a thread of its own, until the block ends."""

    def __init__(self, urls: Sequence[str], tenant: Tenant, *, kafka: str, slot: int) -> None:
        """Ask as one tenant, through these gateways; `slot` is what conversions go to."""
        self._balancer = Balancer(urls, set(urls))
        self._tenant = tenant
        self._kafka = kafka
        self._slot = slot
        self._stop = threading.Event()
        self.answered: Counter[str] = Counter()
        self.failed: list[str] = []
        #: What `Millrace-Model` said, by user, in order, each change of it once.
        self.models: dict[int, list[str]] = defaultdict(list)
        self._threads = [threading.Thread(target=each) for each in (self._look, self._stream)]
        self._threads += [
            threading.Thread(target=self._ask, args=(kind, order))
            for kind, order in self._kinds().items()
        ]

    def __enter__(self) -> Self:
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End, after the requests under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def went_back(self) -> list[list[str]]:
        """Return what users were served by, of those who saw a version again after another."""
        return [told for told in self.models.values() if len(set(told)) < len(told)]

    def snapshot(self) -> Counter[str]:
        """Return how many requests of each kind were answered so far."""
        return Counter(self.answered)

    def _kinds(self) -> dict[str, Order]:
        key = {"X-API-Key": self._tenant.api_key}
        person = {"Authorization": f"Bearer {self._tenant.token}"}

        def interaction(number: int) -> Call:
            return Call("POST", "/api/v1/interactions", key, self._interaction("h", number))

        def recommendation(number: int) -> Call:
            body = {"userId": f"u{number % USERS}", "count": 5}
            return Call("POST", "/api/v1/recommend", key, body)

        def prediction(number: int) -> Call:
            body = {"user_id": f"u{number % USERS}", "cutoff": 3}
            return Call("POST", f"/inference/predict/project/{self._tenant.project}", key, body)

        def conversion(number: int) -> Call:
            where = {"project": self._tenant.project, "deployment_slot": self._slot}
            what = {"user_id": f"u{number % USERS}", "event_type": "click"}
            return Call("POST", "/api/v1/conversion_event/", key, {**where, **what})

        def reading(path: str, headers: dict[str, str]) -> Order:
            return lambda _number: Call("GET", path, headers)

        orders = (
            interaction,
            recommendation,
            prediction,
            conversion,
            reading("/api/v1/project/", key),
            reading("/api/v1/model_configuration/", key),
            reading("/api/v1/deployment_slot/", key),
            reading("/api/billing/usage", person),
            reading("/api/v1/auth/user/", person),
        )
        return dict(zip(ASKED, orders, strict=True))

    def _interaction(self, door: str, number: int) -> dict[str, str]:
        return {
            "userId": f"u{number % USERS}",
            "itemId": f"i{number % 30}",
            "interactionType": "view",
            "eventId": f"rolling-{door}-{id(self)}-{number}",
        }

    def _stream(self) -> None:
        """Write interactions to the tenant's own topic; each counts once it is acknowledged."""
        door = self._tenant.key_client.get("/api/v1/ingest").raise_for_status().json()
        producer = Producer({"bootstrap.servers": self._kafka, "acks": "all"})
        number = 0
        while not self._stop.wait(PACE):
            record = json.dumps(self._interaction("k", number)).encode()
            producer.produce(door["interactions_topic"], record, on_delivery=self._delivered)
            producer.poll(0)
            number += 1
        for left in range(producer.flush(30)):
            self._fail(STREAMED, left, "not acknowledged", time.monotonic())

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            self.answered[STREAMED] += 1
        else:
            self._fail(STREAMED, 0, str(error), time.monotonic())

    def _look(self) -> None:
        with local.Client(timeout=5, headers={"Connection": "close"}) as client:
            while not self._stop.wait(LOOK_EVERY):
                self._balancer.look(client)

    def _ask(self, kind: str, order: Order) -> None:
        with local.Client(timeout=30) as client:
            number = 0
            while not self._stop.wait(PACE):
                self._one(client, kind, order, number)
                number += 1

    def _one(self, client: httpx.Client, kind: str, order: Order, number: int) -> None:
        began = time.monotonic()
        wanted = order(number)
        for url in self._balancer.order(number):
            try:
                answer = client.request(
                    wanted.method, url + wanted.path, headers=wanted.headers, json=wanted.json
                )
            except httpx.ConnectError:
                continue  # nobody is there: the other one is asked
            except httpx.TransportError as error:
                self._fail(kind, number, f"{url}: {error!r}", began)
                return
            self._note(kind, number, answer, began)
            return
        self._fail(kind, number, "no gateway is there", began)

    def _note(self, kind: str, number: int, answer: httpx.Response, began: float) -> None:
        if answer.status_code not in (200, 201):
            self._fail(kind, number, f"{answer.status_code} {answer.text}", began)
            return
        self.answered[kind] += 1
        model = answer.headers.get("Millrace-Model") if kind == "recommendations" else None
        told = self.models[number % USERS]
        if model and model not in told[-1:]:
            told.append(model)
            log.info("user %s is served by %s", number % USERS, told)

    def _fail(self, kind: str, number: int, what: str, began: float) -> None:
        after = time.monotonic() - began
        at = time.strftime("%H:%M:%S")
        self.failed.append(f"{at} {kind} {number} after {after:.2f} s: {what}")
        log.warning(self.failed[-1])
