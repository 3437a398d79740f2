"""Every topic: what it carries, who owns it, how long it is kept and who may read it."""

from dataclasses import dataclass
from typing import Any

from contracts.billing import AllowanceChanged
from contracts.catalog import CatalogEvent
from contracts.conversions import ConversionRecorded, IngestedConversion
from contracts.envelope import Event
from contracts.generations import GenerationChanged
from contracts.interactions import IngestedInteraction, InteractionRecorded
from contracts.model_states import ModelStateEvent
from contracts.models import ModelEvent
from contracts.serving import Served
from contracts.slots import SlotEvent
from contracts.tenants import IngestOpened, TenantErased, TenantEvent
from contracts.training import TrainingRequested

DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Topic:
    """One platform topic. `schema` is an event class or a union of them, told apart by `type`."""

    name: str
    schema: Any
    owner: str
    #: Compacted topics keep the newest record of each key for ever: a new replica reads them whole.
    compacted: bool = False
    retention_ms: int = 7 * DAY_MS
    partitions: int = 6

    @property
    def dead(self) -> str:
        """Return the name of the topic that takes what could not be handled."""
        return f"{self.name}.dead"


INTERACTIONS = Topic("interactions.v1", InteractionRecorded, "catalog")
TRAINING_REQUESTS = Topic("training-requests.v1", TrainingRequested, "training")
MODEL_READY = Topic("model-ready.v1", ModelEvent, "training", compacted=True, partitions=1)
MODEL_STATES = Topic("model-states.v1", ModelStateEvent, "inference", compacted=True, partitions=1)
GENERATIONS = Topic("generations.v1", GenerationChanged, "inference", compacted=True, partitions=1)
CONVERSIONS = Topic("conversions.v1", ConversionRecorded, "experiments")
CATALOG_CHANGES = Topic("catalog-changes.v1", CatalogEvent, "catalog", compacted=True)
SERVINGS = Topic("servings.v1", Served, "inference")
SLOTS = Topic("slots.v1", SlotEvent, "experiments", compacted=True, partitions=1)
ALLOWANCES = Topic("allowances.v1", AllowanceChanged, "billing", compacted=True, partitions=1)
TENANTS = Topic("tenants.v1", TenantEvent, "gateway", compacted=True, partitions=1)
#: Every service sends its receipts here; the gateway, which deleted the tenant, reads them.
ERASURES = Topic("erasures.v1", TenantErased, "gateway", partitions=1)
#: Sent past the outbox, by whoever makes a tenant's topics: nothing but topics follows from it.
INGEST_OPENED = Topic("ingest-topics.v1", IngestOpened, "catalog", partitions=1)

TOPICS: tuple[Topic, ...] = (
    INTERACTIONS,
    TRAINING_REQUESTS,
    MODEL_READY,
    MODEL_STATES,
    GENERATIONS,
    CONVERSIONS,
    CATALOG_CHANGES,
    SERVINGS,
    SLOTS,
    ALLOWANCES,
    TENANTS,
    ERASURES,
    INGEST_OPENED,
)


@dataclass(frozen=True, slots=True)
class IngestTopic:
    """A tenant's own topic: `ingest.<tenant uid>.<suffix>`; the tenant is read from the name."""

    suffix: str
    schema: Any
    owner: str
    retention_ms: int = 7 * DAY_MS
    partitions: int = 3

    @property
    def pattern(self) -> str:
        """Return the regular expression that a consumer of all tenants subscribes to."""
        return rf"^ingest\.[0-9a-f-]+\.{self.suffix}$"

    def of(self, tenant_id: str) -> str:
        """Return the name of this topic for one tenant."""
        return f"ingest.{tenant_id}.{self.suffix}"


INGEST_INTERACTIONS = IngestTopic("interactions", IngestedInteraction, "catalog")
INGEST_CONVERSIONS = IngestTopic("conversions", IngestedConversion, "experiments")
INGEST_REJECTED = IngestTopic("rejected", None, "catalog", partitions=1)
INGEST_TOPICS = (INGEST_INTERACTIONS, INGEST_CONVERSIONS, INGEST_REJECTED)

#: Largest record a producer may send, in bytes.
MAX_RECORD_BYTES = 1_048_576


def tenant_of(topic: str) -> str:
    """Return the tenant uid in the name of an ingest topic."""
    return topic.split(".")[1]


def topic_of(event: Event) -> Topic:
    """Return the topic that carries events of this class.

    Raises:
        LookupError: no topic carries the class.
    """
    try:
        return _TOPIC_BY_CLASS[type(event)]
    except KeyError:
        raise LookupError(f"no topic carries {type(event).__name__}") from None


def classes(schema: Any) -> tuple[type[Event], ...]:
    """Return the event classes of a topic's schema."""
    return getattr(schema, "__args__", None) or (schema,)


_TOPIC_BY_CLASS: dict[type[Event], Topic] = {
    cls: topic for topic in TOPICS for cls in classes(topic.schema)
}
