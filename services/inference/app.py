"""Composition of inference: settings, adapters, operations, routes and subscribers."""

from dataclasses import dataclass

from chassis.app import Service, serve
from chassis.blobs import open_blobs
from chassis.database import Database
from chassis.documents import Documents, open_documents
from chassis.kafka import OutboxProducer
from chassis.settings import Settings
from inference.api import ROUTERS
from inference.events import subscriptions
from inference.operations import recommendations
from inference.operations.artefacts import Artefacts, Build, verified
from inference.operations.briefs import Briefs
from inference.operations.catalogue import Catalogue
from inference.operations.generating import Generating
from inference.operations.histories import Histories
from inference.operations.models import News, States
from inference.operations.popularity import Popularity
from inference.operations.predicting import Predictor
from inference.operations.preloading import Preloading
from inference.operations.recommending import Recommender
from inference.operations.recording import Recording
from inference.operations.scoring import Scoring
from inference.operations.serving import Shelf
from inference.operations.servings import Servings, open_spool
from inference.operations.sessions import Sessions
from inference.operations.slots import Slots
from inference.operations.tenants import DocumentErasure, forgetting
from inference.settings import InferenceSettings
from inference.store.histories import HistoryStore, SessionStore
from inference.store.items import ItemStore
from inference.store.tables import Base


@dataclass
class _Closing:
    """Closes the document store with the service."""

    documents: Documents

    async def start(self) -> None:
        """Nothing: the store is open from the beginning."""

    async def stop(self) -> None:
        """Close it."""
        await self.documents.close()


def build(given: Settings, *, verify: Build | None = None) -> Service:
    """Return the service; `verify` stands in for the check of artefacts in tests."""
    settings = InferenceSettings.of(given)
    database = Database.of(settings, "inference", Base.metadata)
    documents = open_documents(settings.documents("inference"))
    artefacts = Artefacts(
        lambda: open_blobs(settings.blobs()),
        folder=settings.folder("inference", "models"),
        build=verify or verified(settings.key_file("artefact.pub.pem")),
        disk_bytes=settings.model_disk_bytes,
    )
    states = States(database)
    shelf = Shelf(
        artefacts.load,
        capacity=settings.model_memory_bytes,
        on_refusal=states.refused,
        on_load=states.loaded,
        first=settings.preloaded,
    )
    preloading = Preloading(shelf, is_told=states.is_told, on_absence=states.refused)
    servings = Servings(
        open_spool(settings.folder("inference", "spool"), limit_bytes=settings.spool_bytes),
        OutboxProducer(settings.kafka),
        clock=database.clock,
    )
    catalogue, slots, histories = Catalogue(), Slots(shelf), Histories(HistoryStore(documents))
    news = News(shelf, preloading)
    briefs = Briefs(ItemStore(documents))
    sessions = Sessions(SessionStore(documents), catalogue, clock=database.clock)
    scoring, popularity = Scoring(catalogue), Popularity(database)
    recommender = Recommender(
        shelf=shelf,
        histories=histories,
        sessions=sessions,
        catalogue=catalogue,
        scoring=scoring,
        popularity=popularity,
        newest_loaded=states.newest_loaded,
        patience=settings.patience,
    )
    predictor = Predictor(
        shelf=shelf,
        histories=histories,
        catalogue=catalogue,
        scoring=scoring,
        slots=slots,
        patience=settings.patience,
    )
    generating = Generating(database, recommender, histories, catalogue, briefs, servings)
    return Service(
        name="inference",
        settings=settings,
        database=database,
        routers=ROUTERS,
        subscriptions=subscriptions(
            Recording(histories, sessions), histories, catalogue, briefs, slots, news
        ),
        state={
            "shelf": shelf,
            "recommender": recommender,
            "predictor": predictor,
            "servings": servings,
            "generating": generating,
            "states": states,
        },
        parts=[_Closing(documents), artefacts, servings],
        tasks=[
            preloading.run,
            states.run,
            servings.run,
            generating.run,
            sessions.run,
            recommendations.pruner(database, keep=settings.generation_memory),
        ],
        checks={"models": preloading.settled},
        answers_from_memory=True,
        erases=[DocumentErasure(histories, sessions, briefs).erase],
        forgets=forgetting(
            preloading, states, shelf, slots, catalogue, popularity, histories, sessions, artefacts
        ),
        collect_every=3600,
    )


if __name__ == "__main__":
    serve(build(InferenceSettings()))
