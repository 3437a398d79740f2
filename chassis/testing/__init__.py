"""Help for tests: an application on a throw-away database, callers, and what it announced."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from aiokafka import ConsumerRecord
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from sqlalchemy import select

from chassis.app import Service, create_app
from chassis.database import Database
from chassis.dispatch import Dispatcher
from chassis.identity import (
    ASSERTION_HEADER,
    AssertionSigner,
    AssertionVerifier,
    Caller,
)
from chassis.settings import Settings
from chassis.subscriptions import Subscription
from contracts.envelope import Event
from contracts.topics import IngestTopic, topic_of

TENANT = "00000000-0000-4000-8000-000000000001"
OTHER_TENANT = "00000000-0000-4000-8000-000000000002"

ADMIN = Caller(tenant_id=TENANT, subject="admin-uid", kind="person", role="admin", person_id=1)
MEMBER = Caller(tenant_id=TENANT, subject="member-uid", kind="person", role="user", person_id=2)
STRANGER = Caller(
    tenant_id=OTHER_TENANT, subject="other-uid", kind="person", role="admin", person_id=9
)


def key_of(*scopes: str, project: int = 1, tenant_id: str = TENANT) -> Caller:
    """Return an API key's caller with some scopes, bound to a project."""
    return Caller(
        tenant_id=tenant_id,
        subject="key-uid",
        kind="key",
        scopes=frozenset(scopes),
        project=project,
        person_id=1,
    )


def new_key_pair() -> tuple[bytes, bytes]:
    """Return a fresh Ed25519 key pair as PEM: private, public."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private, public


def write_keys(folder: Path) -> None:
    """Write fresh key files, as an operator provides them to the services."""
    folder.mkdir(parents=True, exist_ok=True)
    for purpose in ("assertion", "artefact"):
        private, public = new_key_pair()
        (folder / f"{purpose}.pem").write_bytes(private)
        (folder / f"{purpose}.pub.pem").write_bytes(public)


_PRIVATE, _PUBLIC = new_key_pair()
SIGNER = AssertionSigner(_PRIVATE)
VERIFIER = AssertionVerifier(_PUBLIC)


class FrozenClock:
    """A clock that moves only when told."""

    def __init__(self, moment: datetime | None = None) -> None:
        """Start at a moment of no meaning unless told."""
        self.moment = moment or datetime(2026, 1, 15, 10, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the present moment."""
        return self.moment

    def advance(self, **parts: float) -> None:
        """Move on by a timedelta's parts."""
        self.moment += timedelta(**parts)


def settings_in(folder: Path, **others: Any) -> Settings:
    """Return settings whose data folder is `folder`."""
    return Settings(home=folder, **others)


class Bench:
    """A service under test: its application, its database, and a client for each caller."""

    def __init__(self, app: FastAPI, service: Service) -> None:
        """Hold what `on_the_bench` built."""
        self.app = app
        self.service = service

    @property
    def database(self) -> Database:
        """Return the service's database."""
        return self.service.database

    def as_caller(self, caller: Caller | None) -> httpx.AsyncClient:
        """Return a client that speaks for a caller; None is a stranger without credentials."""
        headers = {} if caller is None else {ASSERTION_HEADER: SIGNER.sign(caller)}
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)

    async def emitted(self, kind: type[Event] | None = None) -> list[Any]:
        """Return the events announced so far, oldest first, of one class if told."""
        table = self.database.metadata.tables["outbox"]
        async with self.database.engine.connect() as connection:
            rows = (await connection.execute(select(table).order_by(table.c.id))).all()
        events = [event for row in rows for event in [_parse(row.topic, row.value)] if event]
        return [event for event in events if kind is None or isinstance(event, kind)]

    async def deliver(self, *events: Event, to: str | None = None) -> None:
        """Hand events to the service's subscriptions, as Kafka would; `to` names one of them."""
        for subscription in self.service.subscriptions:
            if isinstance(subscription.topic, IngestTopic) or to not in (None, subscription.name):
                continue
            matching = [e for e in events if topic_of(e).name == subscription.topic.name]
            records = [record_of(e, offset) for offset, e in enumerate(matching)]
            if records:
                await self.dispatcher(subscription).handle(records)

    async def ingest(self, subscription: str, *values: bytes, tenant_id: str = TENANT) -> None:
        """Hand raw records of a tenant's producer to a subscription on an ingest topic."""
        chosen = next(s for s in self.service.subscriptions if s.name == subscription)
        if not isinstance(chosen.topic, IngestTopic):
            raise TypeError(f"{subscription} listens to no ingest topic")
        topic = chosen.topic.of(tenant_id)
        records = [raw_record(topic, value, offset) for offset, value in enumerate(values)]
        await self.dispatcher(chosen).handle(records)

    async def erase_due(self) -> None:
        """Erase the tenants whose erasure is due, as the service's own loop would."""
        while (tenant_id := await self.service.erasure.claim()) is not None:
            await self.service.erasure.erase(tenant_id)

    def dispatcher(self, subscription: Subscription) -> "Unforgiving":
        """Return what a consumer of this subscription would run; dead letters fail the test."""
        return Unforgiving(subscription, self.database, self.service.name)


class Unforgiving:
    """A dispatcher that fails once a record had to be given up."""

    def __init__(self, subscription: Subscription, database: Database, service: str) -> None:
        """Work on one subscription."""
        self._dispatcher = Dispatcher(
            subscription, database=database, service=service, bury=self._bury
        )
        self._given_up: list[tuple[ConsumerRecord, BaseException]] = []

    async def handle(self, records: Sequence[ConsumerRecord]) -> None:
        """Return once every record has had its effect or was a repeat."""
        await self._dispatcher.handle(records)
        for record, error in self._given_up:
            raise AssertionError(
                f"{self._dispatcher.name} could not handle {record.value!r}"
            ) from error

    async def _bury(
        self, _subscription: Subscription, record: ConsumerRecord, error: BaseException
    ) -> None:
        self._given_up.append((record, error))


@asynccontextmanager
async def on_the_bench(service: Service) -> AsyncIterator[Bench]:
    """Run a service without Kafka, its tables made, its callers verified with the test key."""
    service = replace(service, verifier=VERIFIER)
    app = create_app(service, background=False)
    await service.database.create_all()
    async with app.router.lifespan_context(app):
        yield Bench(app, service)


def raw_record(
    topic: str, value: bytes, offset: int, *, key: bytes | None = None
) -> ConsumerRecord:
    """Return a record as a consumer would read it."""
    return ConsumerRecord(
        topic=topic,
        partition=0,
        offset=offset,
        timestamp=1_768_472_000_000 + offset,
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=len(key or b""),
        serialized_value_size=len(value),
        headers=(),
    )


def record_of(event: Event, offset: int = 0) -> ConsumerRecord:
    """Return the record that carries an event."""
    return raw_record(topic_of(event).name, event.to_bytes(), offset, key=event.key.encode())


def _parse(topic: str, value: bytes) -> Event | None:
    from chassis.subscriptions import each
    from contracts.topics import TOPICS

    found = next((known for known in TOPICS if known.name == topic), None)
    if not value:
        return None  # a tombstone
    return None if found is None else each(found, _ignore, name="test").parse(value)


async def _ignore(_event: Any, _tx: Any) -> None:
    return None


__all__: Sequence[str] = [
    "ADMIN",
    "MEMBER",
    "OTHER_TENANT",
    "SIGNER",
    "STRANGER",
    "TENANT",
    "VERIFIER",
    "Bench",
    "FrozenClock",
    "key_of",
    "new_key_pair",
    "on_the_bench",
    "raw_record",
    "record_of",
    "settings_in",
    "write_keys",
]
