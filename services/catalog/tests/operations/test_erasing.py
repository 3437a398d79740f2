"""The files that a deleted tenant uploaded leave the blob store."""

from typing import Any

from catalog.operations.erasing import BlobErasure
from catalog.operations.sweeping import Sweeper
from chassis.blobs import open_blobs
from chassis.testing import ADMIN, OTHER_TENANT, STRANGER, TENANT, Bench

DATA = "/api/v1/training_data/"
CSV = b"user_id,item_id,timestamp\n1,10,2026-01-01 10:00:00\n"


async def test_all_blobs_of_the_tenant_go_and_no_others(bench: Bench) -> None:
    for caller, project in ((ADMIN, 1), (STRANGER, 2)):
        async with bench.as_caller(caller) as client:
            sent: dict[str, Any] = {
                "data": {"project": str(project)},
                "files": {"file": ("a.csv", CSV)},
            }
            assert (await client.post(DATA, **sent)).status_code == 201
    async with open_blobs(bench.service.settings.blobs()) as blobs:
        own = len(await blobs.keys(f"{TENANT}/"))
        other = await blobs.keys(f"{OTHER_TENANT}/")
        erased = await BlobErasure(bench.database, blobs).erase(TENANT)
        assert erased == {"blobs": own}
        assert own > 0
        assert await blobs.keys() == other != []


async def test_what_waited_to_be_deleted_is_deleted_and_forgotten(bench: Bench) -> None:
    async with bench.as_caller(ADMIN) as client:
        sent: dict[str, Any] = {"data": {"project": "1"}, "files": {"file": ("a.csv", CSV)}}
        made = await client.post(DATA, **sent)
        assert (await client.delete(f"{DATA}{made.json()['id']}/")).status_code == 204
    async with open_blobs(bench.service.settings.blobs()) as blobs:
        await BlobErasure(bench.database, blobs).erase(TENANT)
        assert await blobs.keys() == []
        assert await Sweeper(bench.database, blobs).sweep() == 0
