"""From an announced artefact to a proven scorer: fetched, checked, built, proven off the loop."""

import asyncio
import shutil
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from chassis import telemetry
from chassis.blobs import BlobDamaged, BlobNotFound, Blobs, BlobsUnavailable
from chassis.keys import public_keys
from chassis.problems import Unavailable
from chassis.turns import Turns
from contracts.artefact import MANIFEST_LIMIT, MANIFEST_NAME, Manifest
from inference import scorers
from inference.domain.models import Model, ModelMissing, ModelRefused
from inference.scorers import Scorer

T = TypeVar("T")
#: Models that are built at the same time, and how many of them may be one tenant's.
_BUILDERS = 2
_BUILDERS_SHARE = 1
Build = Callable[[Path, Model], Scorer]


def verified(key_file: Path) -> Build:
    """Return what builds a scorer of a fetched artefact, once it is proven to be training's work.

    Building blocks, so it belongs into a thread. It raises ModelRefused where the artefact is
    altered, not signed by training, or does not answer as it did there.
    """

    def build(folder: Path, model: Model) -> Scorer:
        try:
            scorer = scorers.load(
                folder,
                # Read each time: another key may have come.
                public_keys=public_keys(key_file.read_bytes()),
                expected_digest=model.artefact_digest,
            )
            scorers.prove(scorer)
        except scorers.ArtefactRefused as error:
            raise ModelRefused(str(error)) from error
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # Signed arrays of sound shapes that no scorer can work with; another try fails, too.
            raise ModelRefused(f"it cannot be asked: {error!r}") from error
        return scorer

    return build


class Artefacts:
    """Artefacts in the blob store, and copies of them in a local folder, each named by its tenant
    and its digest.
    """

    def __init__(
        self,
        open_blobs: Callable[[], Blobs],
        *,
        folder: Path,
        build: Build,
        disk_bytes: int,
    ) -> None:
        """Keep at most `disk_bytes` of copies in `folder`."""
        self._open = open_blobs
        self._blobs: Blobs | None = None
        self._folder = folder
        self._build = build
        self._disk_bytes = disk_bytes
        self._deleted_tenants: set[str] = set()
        # Few threads: while they build, the others keep answering. Tenants take turns at them.
        self._turns = Turns(_BUILDERS, share=_BUILDERS_SHARE)
        self._builder = ThreadPoolExecutor(_BUILDERS, thread_name_prefix="model-builder")

    async def start(self) -> None:
        """Open the blob store."""
        self._blobs = self._open()

    async def stop(self) -> None:
        """Close the blob store; what is being built is thrown away."""
        self._builder.shutdown(wait=False, cancel_futures=True)
        if self._blobs is not None:
            await self._blobs.close()

    async def load(self, model: Model) -> Scorer:
        """Return a model's proven scorer.

        Raises:
            ModelRefused: the artefact is not what was announced.
            ModelMissing: it is not there.
            Unavailable: the blob store is away.
        """
        folder = self._folder / f"{model.tenant_id}.{model.artefact_digest}"
        if folder.exists():
            try:
                return await self._built(folder, model)
            except ModelRefused:
                telemetry.log.warning("the local copy of model %s is damaged", model.model_id)
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        await self._fetch(model, folder)
        try:
            return await self._built(folder, model)
        except ModelRefused:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            raise

    def forget_tenant(self, tenant_id: str) -> None:
        """Delete the local copies of a tenant's models, and keep none that is being fetched."""
        self._deleted_tenants.add(tenant_id)
        for copy in self._folder.glob(f"{tenant_id}.*"):
            shutil.rmtree(copy, ignore_errors=True)

    async def _built(self, folder: Path, model: Model) -> Scorer:
        async with self._turns.of(model.tenant_id):
            return await self._build_apart(folder, model)

    async def _build_apart(self, folder: Path, model: Model) -> Scorer:
        loop = asyncio.get_running_loop()
        with telemetry.span_within("build model"):
            return await loop.run_in_executor(self._builder, self._build, folder, model)

    async def _fetch(self, model: Model, folder: Path) -> None:
        fresh = self._folder / f".{uuid.uuid4().hex}"
        fresh.mkdir(parents=True)
        try:
            manifest = await self._fetch_manifest(model, fresh)
            await asyncio.to_thread(self._make_room, manifest.size)
            for name, file in manifest.files.items():
                await _translated(
                    self._store.fetch(
                        f"{model.artefact_key}/{name}", to=fresh / name, digest=file.sha256
                    )
                )
            if model.tenant_id in self._deleted_tenants:
                raise ModelMissing("its tenant was deleted")
            await asyncio.to_thread(_put_in_place, fresh, folder)
        finally:
            await asyncio.to_thread(shutil.rmtree, fresh, ignore_errors=True)

    async def _fetch_manifest(self, model: Model, fresh: Path) -> Manifest:
        key = f"{model.artefact_key}/{MANIFEST_NAME}"
        if await _translated(self._store.size(key)) > MANIFEST_LIMIT:
            raise ModelRefused("the manifest is too large")
        await _translated(self._store.fetch(key, to=fresh / MANIFEST_NAME))
        content = await asyncio.to_thread((fresh / MANIFEST_NAME).read_bytes)
        try:
            manifest = Manifest.model_validate_json(content)
        except ValueError as error:
            raise ModelRefused("the manifest cannot be read") from error
        if manifest.digest != model.artefact_digest:
            raise ModelRefused("the manifest is not the one that was announced")
        return manifest

    @property
    def _store(self) -> Blobs:
        if self._blobs is None:
            raise Unavailable("The blob store is not open.")
        return self._blobs

    def _make_room(self, wanted: int) -> None:
        """Delete the copies unused for longest; one that is mapped stays readable to its user."""
        # Other processes may keep their copies in the same folder, and delete what we look at.
        whole = [copy for copy in self._folder.iterdir() if not copy.name.startswith(".")]
        sizes = {copy: _size(copy) for copy in sorted(whole, key=_used_at)}
        surplus = sum(sizes.values()) + wanted - self._disk_bytes
        for copy, size in sizes.items():
            if surplus <= 0:
                return
            shutil.rmtree(copy, ignore_errors=True)
            surplus -= size


async def _translated(work: Awaitable[T]) -> T:
    try:
        return await work
    except BlobNotFound as error:
        raise ModelMissing("a file of the artefact is missing") from error
    except BlobDamaged as error:
        raise ModelRefused("a file of the artefact is damaged") from error
    except BlobsUnavailable as error:
        raise Unavailable("The blob store is away; try again.") from error


def _put_in_place(fresh: Path, folder: Path) -> None:
    try:
        fresh.rename(folder)
    except OSError:
        if not folder.exists():
            raise  # it is not that another process was faster


def _used_at(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _size(folder: Path) -> int:
    try:
        return sum(path.stat().st_size for path in folder.iterdir())
    except FileNotFoundError:
        return 0
