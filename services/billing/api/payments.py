"""`/api/billing`: checkout, portal, invoices and the provider's webhooks (RecommendAI)."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Depends, Header, Request
from pydantic import Field

from billing.api.billing import PATH, Number
from billing.domain.invoices import Invoice, Line
from billing.domain.money import CENTIUNITS, SCALE, written
from billing.domain.plans import CURRENCY, plan_of
from billing.operations import checkouts, invoices, webhooks
from billing.operations.collecting import Agent
from billing.payments.notices import notice_of
from billing.payments.provider import Customer, PaymentsUnavailable, Provider
from chassis import wire
from chassis.dependencies import Store, Tx
from chassis.identity import CurrentCaller, needs_admin, needs_person
from chassis.problems import Invalid, Malformed
from chassis.wire import CamelWire, public_base

#: Where a payment provider sends its notices.
WEBHOOKS = f"{PATH}/webhooks"
router = wire.router(tags=["billing"])


class CheckoutIn(CamelWire):
    plan_id: Annotated[str, Field(max_length=64)]
    interval: Literal["monthly", "annual"] = "monthly"


class CheckoutOut(CamelWire):
    checkout_url: str


class PortalOut(CamelWire):
    portal_url: str


class LineOut(CamelWire):
    description: str
    quantity: Number
    unit_amount: Number
    amount: Number

    @classmethod
    def of(cls, line: Line) -> "LineOut":
        return cls(
            description=line.description,
            quantity=written(line.quantity, scale=CENTIUNITS),
            unit_amount=written(line.unit_price, scale=SCALE),
            amount=written(line.amount, scale=SCALE),
        )


class InvoiceOut(CamelWire):
    id: str
    number: str
    status: str
    period_start: datetime
    period_end: datetime
    currency: str = CURRENCY
    amount: Number
    lines: list[LineOut]

    @classmethod
    def of(cls, invoice: Invoice) -> "InvoiceOut":
        return cls(
            id=invoice.number,
            number=invoice.number,
            status=invoice.state,
            period_start=invoice.starts_at,
            period_end=invoice.ends_at,
            amount=written(invoice.amount, scale=SCALE),
            lines=[LineOut.of(line) for line in invoice.lines],
        )


class InvoicesOut(CamelWire):
    data: list[InvoiceOut]
    total: int


class ReceivedOut(CamelWire):
    received: bool = True


async def _provider(request: Request) -> Provider:
    provider: Provider = request.app.state.payments
    return provider


async def _customer(request: Request, store: Store, caller: CurrentCaller) -> Customer:
    return await checkouts.customer(store, caller, base=public_base(request))


Payments = Annotated[Provider, Depends(_provider)]
Payer = Annotated[Customer, Depends(_customer)]


@router.post(f"{PATH}/checkout", dependencies=[Depends(needs_admin)])
async def checkout(
    body: CheckoutIn, payments: Payments, payer: Payer, store: Store, caller: CurrentCaller
) -> CheckoutOut:
    plan = plan_of(body.plan_id)
    if plan is None:
        raise Invalid(fields={"planId": [f'There is no plan "{body.plan_id}".']})
    address = await checkouts.begin(
        store, caller, payments, payer=payer, plan=plan, interval=body.interval
    )
    return CheckoutOut(checkout_url=address)


@router.post(f"{PATH}/portal", dependencies=[Depends(needs_admin)])
async def portal(payments: Payments, payer: Payer) -> PortalOut:
    return PortalOut(portal_url=await payments.portal(payer))


@router.get(f"{PATH}/invoices", dependencies=[Depends(needs_person)])
async def listed(tx: Tx) -> InvoicesOut:
    found = [InvoiceOut.of(invoice) for invoice in await invoices.listed(tx)]
    return InvoicesOut(data=found, total=len(found))


@router.post(f"{WEBHOOKS}/stripe")
async def webhook(
    request: Request,
    store: Store,
    signature: Annotated[str | None, Header(alias="Stripe-Signature")] = None,
) -> ReceivedOut:
    secret: str | None = request.app.state.stripe_webhook_secret
    if secret is None and request.app.state.settings.profile == "production":
        raise PaymentsUnavailable("No payment provider is configured.")
    if secret is None:
        # The built-in provider sends no webhooks: whoever this is, it is not Stripe.
        raise Malformed("The webhook is not signed or cannot be read.")
    # The body comes before the transaction: who sends it slowly must keep nobody from writing.
    notice = notice_of(await request.body(), signature, secret=secret)
    if notice is not None:
        async with store.transaction(tenant_id=None) as tx:
            await webhooks.receive(tx, notice)
        agent: Agent | None = request.app.state.agent
        if agent is not None:
            agent.wake()
    return ReceivedOut()
