"""`/api/billing/test`: the pages of the built-in test provider. No money moves; plans do."""

from html import escape
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from billing.domain.plans import CURRENCY, PLANS, Plan, plan_of
from billing.operations import errands
from billing.payments.sandbox import PATH
from chassis.dependencies import OpenTx, Store
from chassis.problems import Malformed

router = APIRouter(include_in_schema=False)

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "Cache-Control": "no-store",
    # Not "no-referrer": a form would then be sent with the origin `null`, and cookies not count.
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
_MOST_FIELDS = 20
_STYLE = "body{font:16px sans-serif;max-width:40em;margin:3em auto}h1{font-size:5em;color:#b00}"


@router.get(f"{PATH}/checkout/{{secret}}")
async def checkout(secret: str, tx: OpenTx) -> HTMLResponse:
    errand = await errands.shown(tx, "checkout", secret)
    plan = plan_of(errand.plan_id or "")
    told = _told(plan, errand.interval) if plan else ""
    return _page(f"<p>{told}</p><form method=post><button>Pay (no money moves)</button></form>")


@router.post(f"{PATH}/checkout/{{secret}}")
async def pay(secret: str, tx: OpenTx) -> HTMLResponse:
    plan = await errands.pay(tx, secret)
    return _page(f"<p>Done: the plan is {escape(plan.name)} now.</p>")


@router.get(f"{PATH}/portal/{{secret}}")
async def portal(secret: str, tx: OpenTx) -> HTMLResponse:
    await errands.shown(tx, "portal", secret)
    return _page("".join(_choice(plan, interval) for plan in PLANS for interval in _INTERVALS))


@router.post(f"{PATH}/portal/{{secret}}")
async def choose(secret: str, request: Request, store: Store) -> HTMLResponse:
    # The body comes before the transaction: who sends it slowly must keep nobody from writing.
    sent = _form(await request.body())
    plan_id, interval = (sent.get(name, "") for name in ("plan", "interval"))
    async with store.transaction(tenant_id=None) as tx:
        plan = await errands.choose(tx, secret, plan_id, interval=interval)
    return _page(f"<p>Done: the plan is {escape(plan.name)} now.</p>")


_INTERVALS = ("monthly", "annual")


def _form(body: bytes) -> dict[str, str]:
    """Return the first value of each field.

    Raises:
        Malformed: it has more fields than any form of ours.
    """
    try:
        sent = parse_qs(body.decode(errors="replace"), max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise Malformed("The form cannot be read.") from error
    return {name: values[0] for name, values in sent.items()}


def _told(plan: Plan, interval: str) -> str:
    price = plan.monthly_price if interval == "monthly" else plan.annual_price
    return f"{escape(plan.name)}, {interval}: {price} {CURRENCY}"


def _choice(plan: Plan, interval: str) -> str:
    return (
        f"<form method=post><input type=hidden name=plan value={escape(plan.id)}>"
        f"<input type=hidden name=interval value={interval}>"
        f"<button>{_told(plan, interval)}</button></form>"
    )


def _page(body: str) -> HTMLResponse:
    title = "<!doctype html><title>TEST payment</title>"
    html = f"{title}<style>{_STYLE}</style><h1>TEST</h1>{body}"
    return HTMLResponse(html, headers=_HEADERS)
