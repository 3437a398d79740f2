"""Runs inference's migrations."""

from chassis.migrations import run
from inference.store.tables import Base

run(Base.metadata)
