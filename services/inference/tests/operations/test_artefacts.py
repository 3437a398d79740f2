import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chassis.blobs import Blobs, BlobsUnavailable, open_blobs
from chassis.problems import Unavailable
from contracts.artefact import MANIFEST_NAME, Manifest, file_digest
from inference.domain.models import Model, ModelMissing, ModelRefused
from inference.operations.artefacts import Artefacts
from inference.scorers import Scorer
from inference.tests.doubles import NeighbourScorer

CONTENT = b"arrays" * 100
MANIFEST = Manifest(
    kind="double",
    learner="double",
    seed=1,
    data_digest="0" * 64,
    files={"arrays.safetensors": file_digest(CONTENT)},
)
MODEL = Model(
    model_id=5,
    tenant_id="tenant",
    project_id=1,
    algorithm=None,
    version="v5",
    learner="double",
    artefact_key="tenant/models/5",
    artefact_digest=MANIFEST.digest,
    artefact_bytes=len(CONTENT),
)

Put = Callable[[str, bytes], Awaitable[object]]


class Builder:
    """Notes what it was given, and refuses as often as told."""

    def __init__(self) -> None:
        self.seen: list[set[str]] = []
        self.refusals = 0

    def __call__(self, folder: Path, model: Model) -> Scorer:
        self.seen.append({path.name for path in folder.iterdir()})
        if self.refusals:
            self.refusals -= 1
            raise ModelRefused("does not prove itself")
        return NeighbourScorer()


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[Blobs]:
    async with open_blobs(f"file://{tmp_path}/blobs") as blobs:
        await blobs.put("tenant/models/5/manifest.json", MANIFEST.to_bytes())
        await blobs.put("tenant/models/5/arrays.safetensors", CONTENT)
        yield blobs


@pytest.fixture
def builder() -> Builder:
    return Builder()


@pytest.fixture
async def artefacts(tmp_path: Path, blobs: Blobs, builder: Builder) -> AsyncIterator[Artefacts]:
    folder = tmp_path / "copies"
    folder.mkdir()
    artefacts = Artefacts(lambda: blobs, folder=folder, build=builder, disk_bytes=1500)
    await artefacts.start()
    yield artefacts
    await artefacts.stop()


async def test_an_artefact_is_fetched_whole_and_built(
    artefacts: Artefacts, builder: Builder
) -> None:
    assert (await artefacts.load(MODEL)).nbytes == 1000
    assert builder.seen == [{MANIFEST_NAME, "arrays.safetensors"}]


async def test_a_second_load_needs_the_store_no_more(
    artefacts: Artefacts, blobs: Blobs, builder: Builder
) -> None:
    await artefacts.load(MODEL)
    await blobs.delete("tenant/models/5/manifest.json")

    await artefacts.load(MODEL)

    assert len(builder.seen) == 2


async def test_a_damaged_copy_is_fetched_anew(artefacts: Artefacts, builder: Builder) -> None:
    await artefacts.load(MODEL)
    builder.refusals = 1

    await artefacts.load(MODEL)

    assert len(builder.seen) == 3


async def test_what_does_not_prove_itself_is_refused_and_leaves_no_copy(
    artefacts: Artefacts, builder: Builder, tmp_path: Path
) -> None:
    builder.refusals = 1

    with pytest.raises(ModelRefused, match="prove"):
        await artefacts.load(MODEL)
    assert list((tmp_path / "copies").iterdir()) == []


async def test_an_altered_file_is_refused(artefacts: Artefacts, blobs: Blobs) -> None:
    await blobs.put("tenant/models/5/arrays.safetensors", CONTENT + b"!")

    with pytest.raises(ModelRefused, match="damaged"):
        await artefacts.load(MODEL)


async def test_another_manifest_than_the_announced_one_is_refused(
    artefacts: Artefacts, blobs: Blobs
) -> None:
    other = MANIFEST.model_copy(update={"seed": 2})
    await blobs.put("tenant/models/5/manifest.json", other.to_bytes())

    with pytest.raises(ModelRefused, match="announced"):
        await artefacts.load(MODEL)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"kind": 1}'])
async def test_a_manifest_that_cannot_be_read_is_refused(
    artefacts: Artefacts, blobs: Blobs, content: bytes
) -> None:
    await blobs.put("tenant/models/5/manifest.json", content)

    with pytest.raises(ModelRefused):
        await artefacts.load(MODEL)


async def test_a_missing_file_may_still_come(artefacts: Artefacts, blobs: Blobs) -> None:
    await blobs.delete("tenant/models/5/arrays.safetensors")
    with pytest.raises(ModelMissing):
        await artefacts.load(MODEL)

    await blobs.put("tenant/models/5/arrays.safetensors", CONTENT)
    assert await artefacts.load(MODEL)


async def test_a_store_that_is_away_is_said_to_be(
    artefacts: Artefacts, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_given: object, **_named: object) -> None:
        raise BlobsUnavailable("gone")

    monkeypatch.setattr(blobs, "fetch", away)

    with pytest.raises(Unavailable):
        await artefacts.load(MODEL)


async def test_copies_are_bounded_by_disk(
    artefacts: Artefacts, blobs: Blobs, tmp_path: Path
) -> None:
    await artefacts.load(MODEL)
    manifest = MANIFEST.model_copy(update={"seed": 2})
    await blobs.put("tenant/models/6/manifest.json", manifest.to_bytes())
    await blobs.put("tenant/models/6/arrays.safetensors", CONTENT)
    other = replace(MODEL, artefact_key="tenant/models/6", artefact_digest=manifest.digest)

    await artefacts.load(other)

    assert [path.name for path in (tmp_path / "copies").iterdir()] == [f"tenant.{manifest.digest}"]


async def test_a_tenants_many_builds_leave_a_builder_to_the_others(
    tmp_path: Path, blobs: Blobs
) -> None:
    gate, built = threading.Event(), list[str]()

    def build(_folder: Path, model: Model) -> Scorer:
        if model.tenant_id == "busy":
            assert gate.wait(30)
        built.append(model.tenant_id)
        return NeighbourScorer()

    (tmp_path / "copies").mkdir()
    artefacts = Artefacts(
        lambda: blobs, folder=tmp_path / "copies", build=build, disk_bytes=1_000_000
    )
    await artefacts.start()
    busy = replace(MODEL, tenant_id="busy")
    flood = [asyncio.create_task(artefacts.load(busy)) for _ in range(3)]
    await artefacts.load(replace(MODEL, tenant_id="cold"))

    assert built == ["cold"]
    gate.set()
    await asyncio.gather(*flood)
    await artefacts.stop()


async def test_the_local_copies_of_a_deleted_tenants_models_go(
    artefacts: Artefacts, blobs: Blobs, tmp_path: Path
) -> None:
    other = replace(MODEL, tenant_id="other", artefact_key="other/models/5")
    for key in await blobs.keys("tenant/"):
        await blobs.put(key.replace("tenant/", "other/"), await blobs.get(key))
    await artefacts.load(MODEL)
    await artefacts.load(other)
    artefacts.forget_tenant("tenant")
    names = [copy.name for copy in (tmp_path / "copies").iterdir()]
    assert names == [f"other.{MODEL.artefact_digest}"]


async def test_a_model_that_is_fetched_while_its_tenant_is_deleted_leaves_no_copy(
    artefacts: Artefacts, tmp_path: Path
) -> None:
    artefacts.forget_tenant("tenant")
    with pytest.raises(ModelMissing):
        await artefacts.load(MODEL)
    assert list((tmp_path / "copies").iterdir()) == []
