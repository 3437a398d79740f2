"""Alembic's entry: the chassis runs, the tables say what."""

from chassis.migrations import run
from gateway.store.tables import Base

run(Base.metadata)
