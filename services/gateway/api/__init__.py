"""The gateway's own surface: identity, keys, and the platform as a whole."""

from fastapi import APIRouter

from gateway.api import admin, api_keys, auth, gotrue, health, ping, schema, tenant, users
from gateway.operations.api_keys import ApiKeys


def routers(keys: ApiKeys) -> list[APIRouter]:
    """Return the routers in the order in which their paths are tried."""
    return [
        auth.router,
        gotrue.router,
        api_keys.routes(keys),
        users.router,
        tenant.router,
        health.router,
        ping.router,
        schema.router,
        admin.router,
    ]
