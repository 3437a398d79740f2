"""The whole HTTP surface of catalog, in the order it is served."""

from catalog.api.ingest import ingest_router
from catalog.api.interactions import interactions_router
from catalog.api.item_meta_data import item_meta_data_router
from catalog.api.items import items_router
from catalog.api.project import project_router
from catalog.api.project_summary import project_summary_router
from catalog.api.training_data import training_data_router
from catalog.api.uploads import UPLOADS

__all__ = ["ROUTERS", "UPLOADS"]

ROUTERS = (
    interactions_router,  # by far the busiest, so the first to be matched
    project_router,
    project_summary_router,
    training_data_router,
    item_meta_data_router,
    items_router,
    ingest_router,
)
