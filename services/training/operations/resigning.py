"""Artefacts signed anew, so that the key that signed them before may go."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from chassis import telemetry
from chassis.blobs import BlobNotFound, Blobs
from chassis.database import Database
from contracts.artefact import MANIFEST_NAME, Manifest
from training.store import registry as store


@dataclass(slots=True)
class Tally:
    """How many artefacts were looked at, and what became of them."""

    current: int = 0
    resigned: int = 0
    #: Manifests that none of the known keys has signed: they are left as they are.
    refused: int = 0


async def resign(
    database: Database,
    blobs: Blobs,
    *,
    signer: Ed25519PrivateKey,
    trusted: Sequence[Ed25519PublicKey],
) -> Tally:
    """Sign each model's manifest with `signer` where another of the `trusted` keys has.

    The manifest's digest leaves the signature out, so what was announced stays true.
    """
    tally = Tally()
    async for prefix in _prefixes(database):
        name = f"{prefix}/{MANIFEST_NAME}"
        try:
            manifest = Manifest.model_validate_json(await blobs.get(name))
        except BlobNotFound:
            continue  # the model was deleted meanwhile
        except ValueError:
            manifest = None
        if manifest is not None and _is_signed(manifest, [signer.public_key()]):
            tally.current += 1
        elif manifest is not None and _is_signed(manifest, trusted):
            await _replace(database, blobs, prefix, _signed(manifest, signer))
            tally.resigned += 1
        else:
            telemetry.log.warning("no known key has signed %s; it is left as it is", name)
            tally.refused += 1
    return tally


async def _prefixes(database: Database) -> AsyncIterator[str]:
    last = 0
    while True:
        async with database.transaction(tenant_id=None, write=False) as tx:
            page = await store.artefacts(tx, after=last)
        if not page:
            return
        for _model_id, prefix in page:
            yield prefix
        last = page[-1][0]


async def _replace(database: Database, blobs: Blobs, prefix: str, manifest: Manifest) -> None:
    name = f"{prefix}/{MANIFEST_NAME}"
    await blobs.put(name, manifest.to_bytes())
    async with database.transaction(tenant_id=None, write=False) as tx:
        is_needed = await store.is_artefact(tx, prefix)
    if not is_needed:  # deleted while it was written: nobody else would look for it again
        await blobs.delete(name)


def _signed(manifest: Manifest, signer: Ed25519PrivateKey) -> Manifest:
    signature = signer.sign(manifest.canonical_bytes()).hex()
    return manifest.model_copy(update={"signature": signature})


def _is_signed(manifest: Manifest, keys: Sequence[Ed25519PublicKey]) -> bool:
    """Tell whether one of the keys has signed a manifest."""
    for key in keys:
        try:
            key.verify(bytes.fromhex(manifest.signature), manifest.canonical_bytes())
        except (InvalidSignature, ValueError):
            continue
        return True
    return False
