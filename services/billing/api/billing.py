"""`/api/billing`: plans, the tenant's subscription, its usage and its cap (RecommendAI)."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends
from pydantic import Field

from billing.domain.money import CENTIUNITS, SCALE, amount_of, whole_cents, written
from billing.domain.plans import CURRENCY, OVERAGE_PRICE, PLANS, Plan
from billing.domain.subscriptions import Subscription
from billing.domain.usage import Statement
from billing.operations import subscriptions, usage
from chassis import wire
from chassis.dependencies import Tx
from chassis.identity import needs_admin, needs_person
from chassis.wire import CamelWire

PATH = "/api/billing"
router = wire.router(tags=["billing"])
Number = int | float


#: What a plan includes, in its own words.
_REQUESTS = (
    "Requests that each cycle of thirty days includes. What goes beyond is overage, up to the cap."
)
_ITEMS = (
    "Items that the catalogue may hold at the end of a cycle. Those beyond are overage of that "
    "cycle, up to the cap, and never refused."
)
_USERS = (
    "Users who may be known at the end of a cycle: whoever has interacted at least once, in this "
    "cycle or before it, and was not erased. Those beyond are overage of each such cycle, up to "
    "the cap, and never refused."
)


class PlanOut(CamelWire):
    id: str
    name: str
    monthly_price: Number
    annual_price: Number
    request_limit: Annotated[int, Field(description=_REQUESTS)]
    item_limit: Annotated[int, Field(description=_ITEMS)]
    user_limit: Annotated[int, Field(description=_USERS)]


class SettingsOut(CamelWire):
    plan_id: str
    cap_amount: Number
    overage_budget_cap: Number
    overage_price: Number
    currency: str = CURRENCY

    @classmethod
    def of(cls, subscription: Subscription) -> "SettingsOut":
        cap = written(whole_cents(subscription.cap), scale=SCALE)
        return cls(
            plan_id=subscription.plan.id,
            cap_amount=cap,
            overage_budget_cap=cap,
            overage_price=written(OVERAGE_PRICE, scale=SCALE),
        )


class SubscriptionOut(SettingsOut):
    id: str | None
    tenant_id: str
    plan: PlanOut
    status: str
    interval: str
    current_period_start: datetime
    current_period_end: datetime
    cancel_at_period_end: bool


class UsageOut(CamelWire):
    #: Units rounded down; `units_used` are all of them.
    requests_used: int
    units_used: Number
    request_limit: int
    percent_used: float
    overage_units: Number
    overage_amount: Number
    overage_budget_cap: Number
    budget_exceeded: bool
    items_used: int
    items_limit: int
    users_used: int
    users_limit: int
    last_request_at: datetime | None
    item_overage_units: int
    user_overage_units: int
    warnings: list[str]

    @classmethod
    def of(cls, statement: Statement) -> "UsageOut":
        return cls(
            requests_used=statement.used.centiunits // CENTIUNITS,
            units_used=written(statement.used.centiunits, scale=CENTIUNITS),
            request_limit=statement.plan.request_limit,
            percent_used=statement.percent,
            overage_units=written(statement.overage, scale=CENTIUNITS),
            overage_amount=written(statement.overage_amount, scale=SCALE),
            overage_budget_cap=written(whole_cents(statement.cap), scale=SCALE),
            budget_exceeded=statement.exceeded,
            items_used=statement.items,
            items_limit=statement.plan.item_limit,
            users_used=statement.users,
            users_limit=statement.plan.user_limit,
            last_request_at=statement.used.last_request_at,
            item_overage_units=statement.item_overage,
            user_overage_units=statement.user_overage,
            warnings=statement.warnings,
        )


class CapIn(CamelWire):
    cap_amount: Annotated[float, Field(strict=True, ge=0, le=1_000_000_000)]


@router.get(f"{PATH}/plans", response_model=list[PlanOut])
async def plans() -> tuple[Plan, ...]:
    return PLANS


@router.get(f"{PATH}/current", dependencies=[Depends(needs_person)])
async def current(tx: Tx) -> SubscriptionOut:
    subscription = await usage.current(tx)
    cycle = subscription.cycle_at(tx.clock())
    return SubscriptionOut(
        **SettingsOut.of(subscription).model_dump(),
        id=subscription.uid,
        tenant_id=tx.tenant_id,
        plan=PlanOut.model_validate(subscription.plan),
        status=subscription.status,
        interval=subscription.interval,
        current_period_start=cycle.starts_at,
        current_period_end=cycle.ends_at,
        cancel_at_period_end=subscription.cancels,
    )


@router.get(f"{PATH}/usage", dependencies=[Depends(needs_person)])
async def used(tx: Tx) -> UsageOut:
    return UsageOut.of(await usage.state(tx))


@router.put(f"{PATH}/overage-cap", dependencies=[Depends(needs_admin)])
async def cap_overage(body: CapIn, tx: Tx) -> SettingsOut:
    return SettingsOut.of(await subscriptions.cap_overage(tx, amount_of(body.cap_amount)))
