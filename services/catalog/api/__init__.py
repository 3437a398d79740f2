"""The whole HTTP surface of catalog, in the order it is served."""

from catalog.api.ingest import ingest_router
from catalog.api.interactions import interactions_router

ROUTERS = (interactions_router, ingest_router)
