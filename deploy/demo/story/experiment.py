"""An A/B test with simulated customers whose clicks follow a stated preference model."""

import asyncio
from typing import Any

from demo.client import eventually
from demo.stage import Stage

_CUSTOMERS = 1200
_AT_ONCE = 8
_BATCH = 500
#: A customer clicks on a list with this chance at the least, and at the most.
_INDIFFERENT, _KEEN = 0.05, 0.60


async def run(stage: Stage) -> None:
    """Let customers come, tally what they do, and read the verdict."""
    stage.say(f"model of the customers: {_stated(stage)}")
    test = await _started(stage)
    events = await _visits(stage)
    for start in range(0, len(events), _BATCH):
        body = {"events": events[start : start + _BATCH]}
        await stage.back_end.call("POST", "/api/v1/conversion_event/batch/", json=body)
    path = f"/api/v1/ab_test/{test['id']}"
    shown = sum(1 for each in events if each["event_type"] == "impression")

    async def tallied() -> dict[str, Any] | None:
        found: dict[str, Any] = await stage.back_end.call("GET", f"{path}/results/")
        return found if _impressions(found) >= shown else None

    results = await eventually(tallied, "all tallies")
    await stage.back_end.call("POST", f"{path}/stop/")
    _report(stage, results)
    low, _high = results["always_valid_interval"]
    winner = "personal" if low > 0 else "popular"
    if _is_decided(results):
        await stage.back_end.call(
            "POST", f"{path}/promote_winner/", json={"slot_id": stage.slots[winner]}
        )
        stage.say(f"promoted: {winner}")


async def _started(stage: Stage) -> dict[str, Any]:
    test: dict[str, Any] = await stage.back_end.call(
        "POST",
        "/api/v1/ab_test/",
        json={
            "project": stage.back_end.project,
            "name": "popular against personal",
            "control_slot": stage.slots["popular"],
            "variant_slot": stage.slots["personal"],
            "target_metric_name": "ctr",
            "min_sample_size": _CUSTOMERS // 2,
        },
    )
    await stage.back_end.call("POST", f"/api/v1/ab_test/{test['id']}/start/")
    return test


async def _visits(stage: Stage) -> list[dict[str, Any]]:
    users = sorted(stage.split.held_out)
    visitors = [stage.dice.choice(users) for _each in range(_CUSTOMERS)]
    gate = asyncio.Semaphore(_AT_ONCE)

    async def visit(user: str) -> list[dict[str, Any]]:
        async with gate:
            served = await stage.back_end.call(
                "POST",
                f"/inference/predict/project/{stage.back_end.project}",
                json={"user_id": user, "cutoff": 5},
            )
        return _events(stage, user, served)

    return [event for events in await asyncio.gather(*map(visit, visitors)) for event in events]


def _events(stage: Stage, user: str, served: dict[str, Any]) -> list[dict[str, Any]]:
    items = [each["item_id"] for each in served["items"]]
    seen = {
        "project": stage.back_end.project,
        "deployment_slot": served["slot_id"],
        "user_id": user,
        "recommendation_request_id": served["request_id"],
    }
    events = [{**seen, "event_type": "impression"}]
    if items and stage.dice.random() < _chance(stage, user, items):
        events.append({**seen, "event_type": "click", "item_id": items[0]})
    return events


def _chance(stage: Stage, user: str, items: list[str]) -> float:
    """Return the chance of a click: it rises with how well the best item of the list fits."""
    if user in stage.dataset.tastes:
        taste = stage.dataset.tastes[user]
        fits = [taste[stage.dataset.items[item]["category"]] for item in items]
        fit = sum(fits) / len(fits)
    else:
        fit = float(any(item in stage.split.held_out[user] for item in items))
    return _INDIFFERENT + (_KEEN - _INDIFFERENT) * fit


def _stated(stage: Stage) -> str:
    bounds = f"chance of a click from {_INDIFFERENT:.0%} to {_KEEN:.0%}"
    if stage.dataset.tastes:
        return f"{bounds}, rising with the planted taste for the items shown"
    return f"{bounds}, the higher one if an item shown is one they really took later"


def _impressions(results: dict[str, Any]) -> int:
    return int(results["control_impressions"] + results["variant_impressions"])


def _report(stage: Stage, results: dict[str, Any]) -> None:
    for arm in ("control", "variant"):
        clicks, shown = results[f"{arm}_conversions"], results[f"{arm}_impressions"]
        stage.say(f"{arm}: {clicks} clicks of {shown} ({results[f'{arm}_rate']:.1%})")
    users = results["control_users"], results["variant_users"]
    verdict = "decided" if _is_decided(results) else "not decided yet"
    low, high = results["always_valid_interval"]
    p_value = results["always_valid_p_value"]
    chance = f"p = {p_value:.2g}" if p_value >= 1e-6 else "p < 0.000001"
    stage.say(
        f"lift {results['lift']:+.1f} %; by {users[0]} and {users[1]} users {chance}, "
        f"difference {low:+.3f} to {high:+.3f}: [bold]{verdict}[/bold]"
    )


def _is_decided(results: dict[str, Any]) -> bool:
    """Tell whether the difference may be believed, whenever somebody looks."""
    return bool(results["always_valid_significant"]) and not results["sample_ratio_mismatch"]
