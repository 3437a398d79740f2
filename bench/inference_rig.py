"""Inference as it runs in production, without the rest of the platform: Kafka, process, models."""

import asyncio
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from uuid import uuid4

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bench import quality
from chassis import outbox, topics
from chassis.blobs import open_blobs
from chassis.clock import now
from chassis.identity import AssertionSigner, Caller
from chassis.kafka import OutboxProducer
from chassis.migrations import upgrade
from chassis.settings import Settings
from chassis.testing import new_key_pair
from contracts.artefact import MANIFEST_NAME, Manifest
from contracts.envelope import Event
from contracts.interactions import InteractionRecorded, InteractionType
from contracts.models import ModelReady
from embedded import ports
from servers.kafka import kafka
from training import learners

TENANT = "00000000-0000-4000-8000-000000000001"
#: The shape of MovieLens 100K.
USERS, ITEMS, RATINGS = 943, 1682, 100_000
#: As long as a slow machine needs to read all of that from the topic.
READY_WITHIN_SECONDS = 300


@dataclass
class Rig:
    """A running inference service and the means to tell it things."""

    home: Path
    port: int
    kafka_url: str
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, as its image would."""
        own = {
            "MILLRACE_HOME": str(self.home),
            "MILLRACE_KAFKA_URL": self.kafka_url,
            "MILLRACE_SERVICE_PORT": str(self.port),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        with (self.home / "inference.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "inference.app"],
                stdout=log,
                stderr=log,
                env={**os.environ, **own, **self.environment},
            )

    def stop(self) -> None:
        """Let the process finish what it does."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(15)

    def kill(self) -> None:
        """End the process at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(15)

    @property
    def settings(self) -> Settings:
        """Return the settings that the process runs with."""
        return Settings(home=self.home, kafka_url=self.kafka_url)

    def token(self) -> str:
        """Return an assertion that lives for a minute."""
        signer = AssertionSigner.from_file(self.home / "keys" / "assertion.pem")
        return signer.sign(Caller(tenant_id=TENANT, subject="bench", kind="key"))

    async def publish(self, events: Sequence[Event]) -> None:
        """Write events to their topics."""
        producer = OutboxProducer(self.kafka_url)
        try:
            for start in range(0, len(events), 2000):
                batch = events[start : start + 2000]
                await producer.send_all([outbox.outgoing(event, at=now()) for event in batch])
        finally:
            await producer.stop()

    async def store(self, folder: Path, manifest: Manifest, *, model_id: int) -> ModelReady:
        """Keep an artefact in the blob store and return its announcement."""
        key = f"{TENANT}/models/{model_id}"
        async with open_blobs(self.settings.blobs()) as blobs:
            for name in (MANIFEST_NAME, *manifest.files):
                await blobs.put(f"{key}/{name}", folder / name)
        return ModelReady(
            tenant_id=TENANT,
            occurred_at=datetime.now(UTC),
            model_id=model_id,
            model_uid=str(uuid4()),
            project_id=1,
            algorithm="collaborative",
            version=f"collaborative-{model_id}",
            learner=manifest.learner,
            artefact_key=key,
            artefact_digest=manifest.digest,
            artefact_bytes=manifest.size,
            interactions_seen=RATINGS,
        )

    def signer(self) -> Ed25519PrivateKey:
        """Return training's key."""
        key = load_pem_private_key((self.home / "keys" / "artefact.pem").read_bytes(), None)
        assert isinstance(key, Ed25519PrivateKey)  # noqa: S101
        return key

    @contextmanager
    def trained(
        self, order: learners.LearningOrder, known: learners.Interactions
    ) -> Iterator[tuple[Path, Manifest]]:
        """Train a model and yield its artefact's folder and manifest."""
        with TemporaryDirectory() as folder:
            model = learners.learn(order, known)
            yield Path(folder), learners.write(model, Path(folder), signer=self.signer())

    async def until_ready(self) -> None:
        """Wait until the process has read all that was announced and loaded its models."""
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}") as client:
            deadline = time.monotonic() + READY_WITHIN_SECONDS
            while time.monotonic() < deadline:
                if self.process is None or self.process.poll() is not None:
                    raise RuntimeError("inference has stopped")
                try:
                    answer = await client.get("/readyz")
                    if answer.status_code == 200 and answer.json()["lag"] == 0:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.2)
        raise TimeoutError("inference did not become ready")


def ratings(*, items: int = ITEMS, seed: int = 1) -> list[tuple[str, str]]:
    """Return pairs of user and item in the shape of MovieLens 100K, popular items more often."""
    draw = random.Random(seed)  # noqa: S311
    weights = [1 / (n + 10) for n in range(items)]
    pairs: set[tuple[str, str]] = set()
    while len(pairs) < RATINGS:
        users = [int(USERS * draw.random() ** 1.5) for _ in range(10_000)]
        chosen = draw.choices(range(items), weights, k=10_000)
        pairs.update((f"user-{u}", f"item-{i}") for u, i in zip(users, chosen, strict=True))
    return sorted(pairs)[:RATINGS]


def known() -> tuple[str, list[tuple[str, str]]]:
    """Return MovieLens 100K, oldest first, if MILLRACE_ML100K names its folder, else its like;
    and what it is called."""
    folder = os.environ.get("MILLRACE_ML100K")
    if folder is None:
        return "data of the shape of MovieLens 100K", ratings()
    found = sorted(quality.ratings(Path(folder, "ml-100k.inter")), key=lambda each: each.moment)
    return "MovieLens 100K", [(each.user, each.item) for each in found]


def interactions(pairs: Sequence[tuple[str, str]]) -> list[Event]:
    """Return the announcements of interactions."""
    return [
        InteractionRecorded(
            tenant_id=TENANT,
            occurred_at=datetime.fromtimestamp(1_700_000_000 + n, UTC),
            sequence=n,
            interaction_id=str(n),
            user_id=user,
            item_id=item,
            interaction_type=InteractionType.LIKE,
            weight=0.7,
            source="kafka",
            centiunits=1,
        )
        for n, (user, item) in enumerate(pairs)
    ]


def columns(pairs: Sequence[tuple[str, str]]) -> learners.Interactions:
    """Return the same interactions as training takes them."""
    return learners.Interactions.from_columns(
        [user for user, _ in pairs],
        [item for _, item in pairs],
        [0.7] * len(pairs),
        [(1_700_000_000 + n) * 1_000_000 for n in range(len(pairs))],
    )


@contextmanager
def rig(**environment: str) -> Iterator[Rig]:
    """Run Kafka and inference in a throw-away folder."""
    with kafka() as server, rig_on(server.url, **environment) as running:
        yield running


@contextmanager
def rig_on(kafka_url: str, **environment: str) -> Iterator[Rig]:
    """Run inference in a throw-away folder, on a Kafka that is there already."""
    home = Path(mkdtemp(prefix="millrace-bench-"))
    [port] = ports.choose(1)
    running = Rig(home, port, kafka_url, environment)
    try:
        asyncio.run(topics.ensure(kafka_url, topics.platform_topics(1)))
        _make_keys(home / "keys")
        upgrade("inference", running.settings.database("inference"))
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(home, ignore_errors=True)


def _make_keys(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in ("assertion", "artefact"):
        private, public = new_key_pair()
        (folder / f"{name}.pem").write_bytes(private)
        (folder / f"{name}.pub.pem").write_bytes(public)
