"""The surface of billing: one module per path segment."""

from fastapi import APIRouter

from billing.api import billing

ROUTERS: list[APIRouter] = [billing.router]
