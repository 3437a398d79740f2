"""Runs catalog's migrations."""

from catalog.store.tables import Base
from chassis.migrations import run

run(Base.metadata)
