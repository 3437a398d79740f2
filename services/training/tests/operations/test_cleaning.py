"""Artefacts go when their models are gone, but not under the hands of who still reads them."""

from datetime import timedelta

from chassis.blobs import Blobs, open_blobs
from chassis.testing import ADMIN, TENANT, Bench, FrozenClock
from training.operations import cleaning
from training.tests.standins import (
    FakeCompute,
    death,
    requested,
    result,
    run_everything,
)

GRACE = timedelta(minutes=10)


async def prefix_of(bench: Bench, compute: FakeCompute, blobs: Blobs, attempt: int) -> str:
    """Return where an attempt of the only job puts its artefact; something lies there."""
    prefix = str(compute.specs[attempt - 1]["artefact"])
    assert prefix.startswith(f"{TENANT}/models/")
    assert prefix.endswith(f"/{attempt}")
    await blobs.put(f"{prefix}/manifest.json", b"{}")
    return prefix


async def test_a_deleted_models_artefact_goes_a_little_later(
    bench: Bench, compute: FakeCompute, clock: FrozenClock
) -> None:
    blobs = open_blobs(bench.service.settings.blobs())
    key = f"{TENANT}/models/some-uid/1"
    await blobs.put(f"{key}/manifest.json", b"{}")
    compute.play(result(key=key))
    model = await requested(bench)
    await run_everything(bench)
    await bench.as_caller(ADMIN).delete(f"/api/v1/trained_model/{model['id']}/")
    assert await cleaning.throw_away(bench.database, blobs, after=GRACE) == 0
    assert await blobs.keys(f"{key}/") == [f"{key}/manifest.json"]
    clock.advance(minutes=11)
    assert await cleaning.throw_away(bench.database, blobs, after=GRACE) == 1
    assert await blobs.keys(f"{key}/") == []
    assert await cleaning.throw_away(bench.database, blobs, after=GRACE) == 0


async def test_what_a_dead_attempt_wrote_goes_and_what_the_good_one_wrote_stays(
    bench: Bench, compute: FakeCompute, clock: FrozenClock
) -> None:
    blobs = open_blobs(bench.service.settings.blobs())
    compute.play(death())
    compute.play(result())
    await requested(bench)
    await run_everything(bench)
    first = await prefix_of(bench, compute, blobs, 1)
    clock.advance(seconds=2)
    await run_everything(bench)
    second = await prefix_of(bench, compute, blobs, 2)
    clock.advance(minutes=11)
    await cleaning.throw_away(bench.database, blobs, after=GRACE)
    assert await blobs.keys(f"{first}/") == []
    assert await blobs.keys(f"{second}/") != []
