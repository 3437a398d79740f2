"""What inference listens to."""

from chassis.subscriptions import Subscription, each, every_replica, together
from contracts.catalog import ItemChanged, ItemDeleted
from contracts.models import ModelReady, ModelRetired
from contracts.tenants import PersonErased
from contracts.topics import CATALOG_CHANGES, INTERACTIONS, MODEL_READY, SLOTS, TENANTS
from inference.operations import models
from inference.operations.briefs import Briefs
from inference.operations.catalogue import Catalogue
from inference.operations.histories import Histories
from inference.operations.models import News
from inference.operations.people import Erasure
from inference.operations.recording import Recording
from inference.operations.slots import Slots

_MODELS = (ModelReady, ModelRetired)
_ITEMS = (ItemChanged, ItemDeleted)


def subscriptions(
    recording: Recording,
    histories: Histories,
    catalogue: Catalogue,
    briefs: Briefs,
    slots: Slots,
    news: News,
) -> list[Subscription]:
    """Return the consumers: replicas for this process's memory, groups for what is kept once."""
    return [
        every_replica(MODEL_READY, news.hear, name="models-in-memory", only=_MODELS),
        every_replica(SLOTS, slots.apply, name="slots-in-memory"),
        every_replica(CATALOG_CHANGES, catalogue.apply, name="catalogue-in-memory"),
        every_replica(INTERACTIONS, recording.hear, name="histories-in-memory", from_start=False),
        every_replica(
            TENANTS,
            histories.forget,
            name="people-in-memory",
            only=(PersonErased,),
        ),
        each(MODEL_READY, models.keep, name="model-versions", only=_MODELS),
        together(INTERACTIONS, recording.record_all, name="histories", max_records=2000),
        together(CATALOG_CHANGES, briefs.keep, name="briefs", only=_ITEMS),
        each(TENANTS, Erasure(histories).erase, name="erasure", only=(PersonErased,)),
    ]
