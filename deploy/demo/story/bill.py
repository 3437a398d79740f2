"""What all of this used, and what it would cost."""

from typing import Any

from demo.client import eventually
from demo.stage import Stage


async def show(stage: Stage) -> None:
    """Print the usage of the cycle and its price."""
    seen: list[float] = []

    async def settled() -> dict[str, Any] | None:
        usage: dict[str, Any] = await stage.back_end.admin("GET", "/api/billing/usage")
        seen.append(usage["unitsUsed"])
        still = len(seen) > 20 and len(set(seen[-20:])) == 1
        return usage if still else None

    usage = await eventually(settled, "a usage that stands still", seconds=60)
    current = await stage.back_end.admin("GET", "/api/billing/current")
    plans = {each["id"]: each for each in await stage.back_end.admin("GET", "/api/billing/plans")}
    plan = plans[current["planId"]]
    stage.say(
        f"{usage['unitsUsed']:,} units of {usage['requestLimit']:,} on {plan['name']} "
        f"({usage['percentUsed']:.1f} %), {usage['itemsUsed']:,} items, "
        f"{usage['usersUsed']:,} users"
    )
    stage.say(
        f"invoice so far: {plan['monthlyPrice']:.2f} for the plan "
        f"+ {usage['overageAmount']:.2f} overage ({usage['overageUnits']} units, "
        f"capped at {usage['overageBudgetCap']})"
    )
