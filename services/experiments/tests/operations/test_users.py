"""Results by user: who counts, which clicks are joined to what was shown, what erasures leave."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from chassis.testing import TENANT, Bench, FrozenClock
from contracts.tenants import PersonErased
from experiments.tests.world import a_running_test, a_slot, results

BATCH = "/api/v1/conversion_event/batch/"
BY_USER = ("users", "joined_impressions", "joined_conversions")


def event(slot: int, kind: str, user: str = "u", request: str | None = None) -> dict[str, Any]:
    """Return an event of project 1."""
    body = {"project": 1, "deployment_slot": slot, "user_id": user, "event_type": kind}
    return body if request is None else body | {"recommendation_request_id": request}


async def tell(client: httpx.AsyncClient, *events: Mapping[str, Any]) -> None:
    for start in range(0, len(events), 1000):
        answer = await client.post(BATCH, json={"events": events[start : start + 1000]})
        assert answer.status_code == 201, answer.text


async def counted(client: httpx.AsyncClient, test: dict[str, Any], arm: str) -> list[int]:
    found = await results(client, test)
    return [found[f"{arm}_{name}"] for name in BY_USER]


async def visited(
    client: httpx.AsyncClient, slot: int, people: range, *, clicking: int, visits: int = 3
) -> None:
    """Show something to people several times; the first ones click every time."""
    events = []
    for number, person in enumerate(people):
        for request in (str(uuid4()) for _visit in range(visits)):
            events.append(event(slot, "impression", f"p{person}", request))
            if number < clicking:
                events.append(event(slot, "click", f"p{person}", request))
    await tell(client, *events)


REQUEST, OTHER = str(uuid4()), str(uuid4())


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        # Its request was shown to the same user: whichever was told first, and however often.
        ([("impression", "u", REQUEST), ("click", "u", REQUEST)], [1, 1, 1]),
        ([("click", "u", REQUEST), ("impression", "u", REQUEST)], [1, 1, 1]),
        ([("impression", "u", REQUEST), *[("click", "u", REQUEST)] * 5], [1, 1, 1]),
        # Never shown; shown to somebody else; another request; a purchase where clicks count.
        ([("click", "u", REQUEST)], [0, 0, 0]),
        ([("impression", "u", REQUEST), ("click", "v", REQUEST)], [1, 1, 0]),
        ([("impression", "u", REQUEST), ("click", "u", OTHER)], [1, 1, 0]),
        ([("impression", "u", REQUEST), ("purchase", "u", REQUEST)], [1, 1, 0]),
        # Without a request: no more than there are impressions of that user.
        ([("impression", "u", None), *[("click", "u", None)] * 3], [1, 1, 1]),
        ([("click", "u", None), ("impression", "v", None)], [1, 1, 0]),
        ([("click", "u", None), ("impression", "u", REQUEST)], [1, 1, 1]),
        (
            [("impression", "u", REQUEST), ("click", "u", REQUEST), ("click", "u", None)],
            [1, 1, 1],
        ),
        # Users count once each.
        ([("impression", user, None) for user in "uvuvw"], [3, 5, 0]),
        ([("impression", user, REQUEST) for user in "uuv"], [2, 2, 0]),
    ],
)
async def test_a_click_counts_where_it_belongs_to_what_its_user_was_shown(
    admin: httpx.AsyncClient, told: list[tuple[str, str, str | None]], expected: list[int]
) -> None:
    test = await a_running_test(admin)
    # In one transaction, and in one each.
    await tell(admin, *[event(test["control_slot"], *each) for each in told])
    for each in told:
        await tell(admin, event(test["variant_slot"], *each))
    assert await counted(admin, test, "control") == expected
    assert await counted(admin, test, "variant") == expected


@pytest.mark.parametrize(
    ("metric", "converted"), [("ctr", 2), ("purchase_rate", 2), ("conversion_rate", 3)]
)
async def test_an_impression_converts_once_by_what_the_metric_counts(
    admin: httpx.AsyncClient, metric: str, converted: int
) -> None:
    test = await a_running_test(admin, target_metric_name=metric)
    clicked, bought, both = (str(uuid4()) for _request in range(3))
    told = [event(test["control_slot"], "impression", "u", r) for r in (clicked, bought, both)]
    told += [event(test["control_slot"], "click", "u", r) for r in (clicked, both)]
    told += [event(test["control_slot"], "purchase", "u", r) for r in (bought, both)]
    await tell(admin, *told)
    assert await counted(admin, test, "control") == [1, 3, converted]
    assert (await results(admin, test))["control_conversions"] == (4 if converted == 3 else 2)


async def test_clicks_of_one_arm_are_not_joined_to_what_the_other_showed(
    admin: httpx.AsyncClient,
) -> None:
    test = await a_running_test(admin)
    await tell(admin, event(test["control_slot"], "impression", "u", REQUEST))
    await tell(admin, event(test["variant_slot"], "click", "u", REQUEST))
    assert await counted(admin, test, "control") == [1, 1, 0]
    assert await counted(admin, test, "variant") == [0, 0, 0]


async def test_a_user_who_comes_often_does_not_make_a_mismatch(admin: httpx.AsyncClient) -> None:
    test = await a_running_test(admin)
    await visited(admin, test["control_slot"], range(40), clicking=4, visits=20)
    await visited(admin, test["variant_slot"], range(40, 80), clicking=4, visits=2)
    found = await results(admin, test)
    assert (found["control_impressions"], found["variant_impressions"]) == (800, 80)
    assert (found["control_users"], found["variant_users"]) == (40, 40)
    assert (found["sample_ratio_p_value"], found["sample_ratio_mismatch"]) == (1.0, False)


async def test_users_who_are_missing_in_one_arm_make_a_mismatch(admin: httpx.AsyncClient) -> None:
    test = await a_running_test(admin)
    await visited(admin, test["control_slot"], range(200), clicking=0, visits=1)
    await visited(admin, test["variant_slot"], range(200, 300), clicking=0, visits=2)
    found = await results(admin, test)
    assert found["control_impressions"] == found["variant_impressions"] == 200
    assert found["sample_ratio_mismatch"] is True


async def test_users_not_impressions_are_what_a_verdict_rests_on(
    admin: httpx.AsyncClient,
) -> None:
    test = await a_running_test(admin)
    # Six users of forty against two, who click each time: 120 of 800 impressions against 40.
    await visited(admin, test["control_slot"], range(40), clicking=2, visits=20)
    await visited(admin, test["variant_slot"], range(40, 80), clicking=6, visits=20)
    found = await results(admin, test)
    assert found["significant"] is True
    assert found["always_valid_significant"] is False
    assert found["always_valid_p_value"] > 0.5
    # Σ(y - rate·x)² is 2·19² + 38·1² = 760 and 6·17² + 34·3² = 2040; times 40 / 39 / 800².
    assert found["control_joined_rate_error"] == pytest.approx(0.034899, abs=1e-6)
    assert found["variant_joined_rate_error"] == pytest.approx(0.057177, abs=1e-6)
    # (1.959964 + 0.841621)² · 40 · (0.0349² + 0.057177²) / 0.1² = 140.9
    assert found["required_sample_size_per_arm"] == 141
    assert found["sample_size_still_needed"] == 2 * (141 - 40)


async def test_a_clear_difference_of_many_users_is_significant(admin: httpx.AsyncClient) -> None:
    test = await a_running_test(admin)
    await visited(admin, test["control_slot"], range(600), clicking=60)
    await visited(admin, test["variant_slot"], range(600, 1200), clicking=180)
    found = await results(admin, test)
    low, high = found["always_valid_interval"]
    assert found["always_valid_significant"] is True
    assert 0 < low < 0.2 < high


async def erased(bench: Bench, person: str, clock: FrozenClock) -> None:
    await bench.deliver(PersonErased(tenant_id=TENANT, occurred_at=clock(), person_uid=person))


async def everything_kept(bench: Bench) -> str:
    """Return every row of every table, as text, but for the mark that keeps late facts out."""
    names = sorted(bench.database.metadata.tables)
    async with bench.database.transaction(tenant_id=None) as tx:
        connection = await tx.session.connection()
        rows = [
            (await connection.execute(text(f"SELECT * FROM {name}"))).all()  # noqa: S608
            for name in names
            if name not in {"outbox", "inbox", "erased_person"}
        ]
    return str(rows)


async def test_an_erased_person_is_forgotten_and_every_number_stays(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    test = await a_running_test(admin)
    slot, person = test["control_slot"], str(uuid4())
    await tell(
        admin,
        event(slot, "impression", person, REQUEST),
        event(slot, "click", person, REQUEST),
        event(slot, "impression", person),
        event(slot, "impression", "other"),
    )
    before = await results(admin, test)
    assert before["control_users"] == 2
    assert person in await everything_kept(bench)
    await erased(bench, person, clock)
    await erased(bench, person, clock)
    assert person not in await everything_kept(bench)
    assert await results(admin, test) == before
    # What is counted afresh at the end agrees, and others still count.
    clock.advance(hours=1)
    await tell(admin, event(slot, "impression", "late"), event(slot, "click", "other"))
    clock.advance(hours=-1)
    assert (await admin.post(f"/api/v1/ab_test/{test['id']}/stop/")).status_code == 200
    assert await results(admin, test) == before


async def test_events_of_nobody_known_belong_to_no_user(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    test = await a_running_test(admin)
    await tell(admin, event(test["control_slot"], "impression", "erased"))
    assert await counted(admin, test, "control") == [0, 0, 0]
    assert (await results(admin, test))["control_impressions"] == 1


async def as_an_older_release_left_it(bench: Bench) -> None:
    """Take away what only this release counts."""
    zeros = ", ".join(
        f"{name} = 0"
        for name in (
            "users",
            "user_impressions",
            "user_conversions",
            "impressions_squared",
            "conversions_squared",
            "products",
            "summed",
        )
    )
    async with bench.database.transaction(tenant_id=None) as tx:
        connection = await tx.session.connection()
        for statement in (
            "DELETE FROM shown_user",
            "DELETE FROM user_request",
            f"UPDATE tally SET {zeros}",  # noqa: S608
        ):
            await connection.execute(text(statement))


async def test_tests_that_an_older_release_counted_are_counted_by_user_when_asked_for(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    test = await a_running_test(admin)
    await visited(admin, test["control_slot"], range(5), clicking=2)
    await visited(admin, test["variant_slot"], range(5, 9), clicking=1)
    before = await results(admin, test)
    await as_an_older_release_left_it(bench)
    # It may count on beside this one, and this one beside it.
    await tell(admin, event(test["control_slot"], "impression", "p0"))
    found = await results(admin, test)
    assert [found[f"control_{name}"] for name in BY_USER] == [5, 16, 6]
    assert [found[f"variant_{name}"] for name in BY_USER] == [4, 12, 3]
    assert found["variant_joined_rate_error"] == before["variant_joined_rate_error"]
    assert await results(admin, test) == found
    await tell(admin, event(test["control_slot"], "click", "p4"))
    assert await counted(admin, test, "control") == [5, 16, 7]


async def test_each_test_of_a_slot_counts_its_own_users(admin: httpx.AsyncClient) -> None:
    shared = await a_slot(admin)
    clicks = await a_running_test(admin, control_slot=shared["id"])
    sales = await a_running_test(
        admin, control_slot=shared["id"], target_metric_name="purchase_rate"
    )
    await tell(
        admin,
        event(shared["id"], "impression", "u", REQUEST),
        event(shared["id"], "purchase", "u", REQUEST),
    )
    assert await counted(admin, clicks, "control") == [1, 1, 0]
    assert await counted(admin, sales, "control") == [1, 1, 1]
