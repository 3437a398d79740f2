"""Artefacts get the signature of a new key, and keep their digest."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis.blobs import Blobs, open_blobs
from chassis.testing import OTHER_TENANT, TENANT, Bench
from contracts.artefact import MANIFEST_NAME, Manifest
from training.operations.resigning import Tally, resign
from training.store import registry as store

OLD, NEW, FOREIGN = (Ed25519PrivateKey.generate() for _ in range(3))
TRUSTED = [OLD.public_key(), NEW.public_key()]


@pytest.fixture
async def blobs(bench: Bench) -> AsyncIterator[Blobs]:
    async with open_blobs(bench.service.settings.blobs()) as opened:
        yield opened


async def model(bench: Bench, blobs: Blobs, key: Ed25519PrivateKey, tenant: str = TENANT) -> str:
    """Keep a model whose manifest a key has signed; return the manifest's name."""
    manifest = Manifest(
        kind="popularity",
        learner="TopPop",
        seed=1,
        data_digest="00" * 32,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    signature = key.sign(manifest.canonical_bytes()).hex()
    async with bench.database.transaction(tenant_id=tenant) as tx:
        row = await store.models.add(tx, project=1, artefact_key=None)
        prefix = f"{tenant}/models/{row.id}"
        await store.models.change(tx, row.id, {"artefact_key": prefix})
    name = f"{prefix}/{MANIFEST_NAME}"
    await blobs.put(name, manifest.model_copy(update={"signature": signature}).to_bytes())
    return name


def signed_by(key: Ed25519PrivateKey, content: bytes) -> bool:
    manifest = Manifest.model_validate_json(content)
    try:
        key.public_key().verify(bytes.fromhex(manifest.signature), manifest.canonical_bytes())
    except InvalidSignature:
        return False
    return True


async def test_every_tenants_models_get_the_new_signature_and_keep_their_digest(
    bench: Bench, blobs: Blobs
) -> None:
    names = [
        await model(bench, blobs, OLD),
        await model(bench, blobs, OLD, tenant=OTHER_TENANT),
        await model(bench, blobs, NEW),
    ]
    before = [Manifest.model_validate_json(await blobs.get(name)) for name in names]
    done = await resign(bench.database, blobs, signer=NEW, trusted=TRUSTED)
    assert done == Tally(current=1, resigned=2)
    contents = [await blobs.get(name) for name in names]
    assert all(signed_by(NEW, content) for content in contents)
    after = [Manifest.model_validate_json(content) for content in contents]
    assert [each.digest for each in after] == [each.digest for each in before]
    assert [each.created_at for each in after] == [each.created_at for each in before]
    again = await resign(bench.database, blobs, signer=NEW, trusted=TRUSTED)
    assert again == Tally(current=3)


async def test_what_no_known_key_has_signed_gets_no_signature(bench: Bench, blobs: Blobs) -> None:
    forged = await model(bench, blobs, FOREIGN)
    before = await blobs.get(forged)
    done = await resign(bench.database, blobs, signer=NEW, trusted=TRUSTED)
    assert done == Tally(refused=1)
    assert await blobs.get(forged) == before


async def test_a_manifest_that_cannot_be_read_stops_no_other(bench: Bench, blobs: Blobs) -> None:
    broken, sound = await model(bench, blobs, OLD), await model(bench, blobs, OLD)
    await blobs.put(broken, b"{")
    done = await resign(bench.database, blobs, signer=NEW, trusted=TRUSTED)
    assert done == Tally(resigned=1, refused=1)
    assert signed_by(NEW, await blobs.get(sound))


async def test_a_model_that_is_deleted_meanwhile_leaves_nothing_behind(
    bench: Bench, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await model(bench, blobs, OLD)
    get = blobs.get

    async def get_and_lose(key: str) -> bytes:
        content = await get(key)
        async with bench.database.transaction(tenant_id=TENANT) as tx:
            (row,) = await store.models.all(tx)
            await store.models.remove(tx, row.id)
        await blobs.delete(key)
        return content

    monkeypatch.setattr(blobs, "get", get_and_lose)
    await resign(bench.database, blobs, signer=NEW, trusted=TRUSTED)
    assert await blobs.keys(name) == []
