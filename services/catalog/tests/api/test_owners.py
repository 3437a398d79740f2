"""A project is its maker's: other members neither see nor touch it, administrators do."""

from dataclasses import replace

import httpx
import pytest
from sqlalchemy import update

from catalog.operations import projects
from catalog.store.tables import ProjectRow
from chassis.testing import ADMIN, MEMBER, TENANT, Bench
from contracts.catalog import ProjectChanged

FELLOW = replace(MEMBER, subject="fellow-uid", person_id=3)
PATH = "/api/v1/project/"
DATA = "/api/v1/training_data/"
BODY = {"name": "Ada's shop", "user_column": "user", "item_column": "item"}
TABLE = ("history.csv", b"user,item\nu1,i1\nu2,i2\n", "text/csv")


async def _made(client: httpx.AsyncClient) -> int:
    answer = await client.post(PATH, json=BODY)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


async def _uploaded(client: httpx.AsyncClient, project: int) -> httpx.Response:
    return await client.post(DATA, data={"project": str(project)}, files={"file": TABLE})


async def test_another_member_sees_nothing_of_a_project(bench: Bench) -> None:
    async with bench.as_caller(MEMBER) as owner, bench.as_caller(FELLOW) as fellow:
        project = await _made(owner)
        file = (await _uploaded(owner, project)).json()["id"]
        for path in (f"{PATH}{project}/", f"/api/v1/project_summary/{project}/", f"{DATA}{file}/"):
            assert (await owner.get(path)).status_code == 200
            assert (await fellow.get(path)).status_code == 404
        changes = [
            ("PATCH", f"{PATH}{project}/", {"name": "theirs"}),
            ("PUT", f"{PATH}{project}/", BODY),
            ("DELETE", f"{PATH}{project}/", None),
            ("DELETE", f"{DATA}{file}/", None),
        ]
        for method, path, body in changes:
            assert (await fellow.request(method, path, json=body)).status_code == 404
        for path in (PATH, DATA):
            seen = [(await each.get(path)).json()["count"] for each in (owner, fellow)]
            assert seen[0] == seen[1] + 1
        for path in (f"{PATH}?id={project}", f"{DATA}?project={project}"):
            assert (await fellow.get(path)).json()["count"] == 0


async def test_another_members_project_in_a_body_is_as_unknown_as_one_that_is_not(
    bench: Bench,
) -> None:
    async with bench.as_caller(MEMBER) as owner, bench.as_caller(FELLOW) as fellow:
        project = await _made(owner)
        foreign, absent = [await _uploaded(fellow, each) for each in (project, 999_999)]
        assert foreign.status_code == absent.status_code == 400
        assert set(foreign.json()) == set(absent.json())


async def test_administrators_see_and_change_every_project(bench: Bench) -> None:
    async with bench.as_caller(MEMBER) as owner, bench.as_caller(ADMIN) as admin:
        project = await _made(owner)
        assert project in [each["id"] for each in (await admin.get(PATH)).json()["results"]]
        changed = await admin.patch(f"{PATH}{project}/", json={"name": "Renamed"})
        assert (changed.status_code, changed.json()["owner"]) == (200, MEMBER.person_id)


async def test_the_default_project_is_everybodys(bench: Bench) -> None:
    async with bench.as_caller(FELLOW) as fellow:
        [default] = (await fellow.get(PATH)).json()["results"]
        assert default["owner"] is None
        assert (await _uploaded(fellow, default["id"])).status_code in {201, 400}
    [told, *_] = await bench.emitted(ProjectChanged)
    assert (told.is_default, told.owner) == (True, None)


async def test_owners_that_nobody_has_heard_of_are_told_once(bench: Bench) -> None:
    async with bench.as_caller(MEMBER) as owner:
        project = await _made(owner)
    async with bench.database.transaction(tenant_id=TENANT) as tx:  # as an older release kept it
        await tx.session.execute(update(ProjectRow).values(owner_told=False))
    assert await projects.tell_owners(bench.database) > 0
    assert await projects.tell_owners(bench.database) == 0
    told = [each for each in await bench.emitted(ProjectChanged) if each.project_id == project]
    assert [each.owner for each in told] == [MEMBER.person_id] * 2


@pytest.mark.parametrize("names", [("a", "a")])
async def test_two_members_may_have_projects_of_one_name(
    bench: Bench, names: tuple[str, str]
) -> None:
    async with bench.as_caller(MEMBER) as owner, bench.as_caller(FELLOW) as fellow:
        for client, name in zip((owner, fellow), names, strict=True):
            assert (await client.post(PATH, json=BODY | {"name": name})).status_code == 201
