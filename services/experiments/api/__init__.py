"""The surface of experiments: one module per path segment."""

from fastapi import APIRouter

from experiments.api import ab_test, analytics, conversion_event, deployment_slot

ROUTERS: list[APIRouter] = [
    deployment_slot.router,
    ab_test.router,
    conversion_event.router,
    analytics.router,
]
