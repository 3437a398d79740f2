"""The surface of billing: one module per path segment, the pages and payments of it apart."""

from fastapi import APIRouter

from billing.api import billing, payments, sandbox

ROUTERS: list[APIRouter] = [billing.router, payments.router, sandbox.router]
