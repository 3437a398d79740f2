"""Faults of what is read: repeats out of order, poison, artefacts that are not what they claim."""

import itertools
import json
import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chassis.blobs import open_blobs
from contracts.artefact import ARRAYS_NAME, MANIFEST_NAME, Manifest
from contracts.topics import INGEST_REJECTED, MODEL_READY, SERVINGS, TOPICS
from tests.chaos import records
from tests.chaos.books import FORGED
from tests.chaos.faults import Fault
from tests.chaos.load import STREAMED
from tests.chaos.records import Written
from tests.chaos.stage import Stage
from tests.running import until

#: Of each topic so many of the newest records are repeated.
_REPEATED = 2000
#: Ids of forged models, far from those that training gives.
_IDS = itertools.count(9_000_000)


def repeat_out_of_order(stage: Stage) -> None:
    """Write what stands in every topic, and what the tenant sent, twice more in a random order."""
    dice = random.Random(23)
    kafka, load = stage.stack.kafka, stage.load
    for topic in TOPICS:
        again = 2 * records.read(kafka, topic.name)[-_REPEATED:]
        dice.shuffle(again)
        records.write(kafka, again)
    sent = [json.dumps(body).encode() for body in load.ledgers[STREAMED].sent.values()]
    own = 2 * [Written(load.target.tenant_topic, None, value) for value in sent[-_REPEATED:]]
    dice.shuffle(own)
    records.write(kafka, own)


def poison(stage: Stage) -> None:
    """Write what nobody can read, and what nobody can handle, into every topic."""
    kafka, target = stage.stack.kafka, stage.load.target
    unreadable = [b"\xff\xfe", b"null", b"[]", b"{}", b'{"type": "Served"}', b"[" * 100_000]
    everywhere = [topic.name for topic in TOPICS] + [target.tenant_topic]
    records.write(
        kafka,
        [
            Written(topic, f"poison:{n}".encode(), value)
            for topic in everywhere
            for n, value in enumerate(unreadable)
        ],
    )
    records.write(kafka, [Written(SERVINGS.name, b"poison:units", _unpayable())])
    rejected = INGEST_REJECTED.of(target.tenant_id)
    until(lambda: len(records.read(kafka, rejected)) >= len(unreadable), within=60)
    dead = SERVINGS.dead
    until(lambda: len(records.read(kafka, dead)) > len(unreadable), within=60)


def _unpayable() -> bytes:
    """Return an announcement that can be read, of more units than any database holds."""
    event = {
        "type": "Served",
        "event_id": f"{FORGED}{uuid4()}",
        "tenant_id": str(uuid4()),
        "occurred_at": "2026-01-01T00:00:00Z",
        "request_id": str(uuid4()),
        "operation": "predict",
        "user_id": "u",
        "centiunits": 2**70,
    }
    return json.dumps(event).encode()


def bad_artefacts(stage: Stage) -> None:
    """Announce models whose artefact was altered, cut short, signed by another, or is not there."""
    kafka, load = stage.stack.kafka, stage.load
    announced = [each.event for each in records.read(kafka, MODEL_READY.name)]
    sound = next(each for each in reversed(announced) if each.get("model_id") in load.models)
    spoilt = [_forged(stage, sound, spoil) for spoil in (_altered, _cut_short, _signed_by_another)]
    missing = _forged(stage, sound, None)
    records.write(kafka, [_announcement(each) for each in (*spoilt, missing)])
    ids = {each["model_id"] for each in spoilt}
    until(lambda: {_status(stage, each) for each in ids} == {409}, within=60)
    assert _status(stage, missing["model_id"]) == 503
    until(lambda: ids <= {each.event.get("model_id") for each in _refused(stage)}, within=60)


def _refused(stage: Stage) -> list[Written]:
    return records.read(stage.stack.kafka, MODEL_READY.dead)


def _announcement(event: Mapping[str, Any]) -> Written:
    key = f"{event['tenant_id']}:{event['model_id']}".encode()
    return Written(MODEL_READY.name, key, json.dumps(event).encode())


def _status(stage: Stage, model_id: int) -> int:
    ask = {"user_id": "u1", "cutoff": 3}
    return stage.tenant.key_client.post(f"/inference/predict/{model_id}", json=ask).status_code


Files = dict[str, bytes]
Spoil = Callable[[Files], Files]


def _forged(stage: Stage, sound: Mapping[str, Any], spoil: Spoil | None) -> dict[str, Any]:
    """Return the announcement of a new artefact, signed by training itself and spoilt then."""
    key = f"{sound['tenant_id']}/models/{uuid4()}/1"
    event = {
        **sound,
        "event_id": f"{FORGED}{uuid4()}",
        "model_id": next(_IDS),
        "artefact_key": key,
        "artefact_digest": 64 * "0",
    }
    if spoil is not None:
        environment = stage.stack.environment_of("training")
        url = environment.get("MILLRACE_BLOBS_URL") or f"file://{stage.stack.home / 'blobs'}"
        secret = (Path(environment["MILLRACE_KEYS"]) / "artefact.pem").read_bytes()
        with patch.dict(os.environ, environment):  # keys to the blob store
            event["artefact_digest"] = records.run(
                _place(url, sound["artefact_key"], key, secret=secret, spoil=spoil)
            )
    return event


async def _place(url: str, source: str, target: str, *, secret: bytes, spoil: Spoil) -> str:
    async with open_blobs(url) as blobs:
        keys = await blobs.keys(f"{source}/")
        files = {key.removeprefix(f"{source}/"): await blobs.get(key) for key in keys}
        before = Manifest.model_validate_json(files[MANIFEST_NAME])
        manifest = before.model_copy(update={"seed": random.randrange(2**31)})
        private = load_pem_private_key(secret, password=None)
        assert isinstance(private, Ed25519PrivateKey)
        files[MANIFEST_NAME] = _signed(manifest, private)
        for name, content in spoil(files).items():
            await blobs.put(f"{target}/{name}", content)
    return manifest.digest


def _signed(manifest: Manifest, private: Ed25519PrivateKey) -> bytes:
    signature = private.sign(manifest.canonical_bytes()).hex()
    return manifest.model_copy(update={"signature": signature}).to_bytes()


def _altered(files: Files) -> Files:
    arrays = files[ARRAYS_NAME]
    return {**files, ARRAYS_NAME: arrays[:-1] + bytes([arrays[-1] ^ 1])}


def _cut_short(files: Files) -> Files:
    return {**files, ARRAYS_NAME: files[ARRAYS_NAME][:-8]}


def _signed_by_another(files: Files) -> Files:
    manifest = Manifest.model_validate_json(files[MANIFEST_NAME])
    return {**files, MANIFEST_NAME: _signed(manifest, Ed25519PrivateKey.generate())}


REPEATS = Fault("everything twice more, out of order", repeat_out_of_order, unseen=True)
POISON = Fault("poison in every topic", poison, unseen=True)
ARTEFACTS = Fault("altered, cut, forged, missing artefacts", bad_artefacts, unseen=True)
