"""The surface of billing: one module per path segment, the pages and payments of it apart."""

from fastapi import APIRouter

from billing.api import billing, payments, sandbox
from billing.payments.sandbox import PATH
from contracts.http import NOTICE_BODY_BYTES, PUBLIC_BODY_BYTES

#: Bodies that nobody shows a credential for.
BODY_BOUNDS = {payments.WEBHOOKS: NOTICE_BODY_BYTES, PATH: PUBLIC_BODY_BYTES}
ROUTERS: list[APIRouter] = [billing.router, payments.router, sandbox.router]
