"""Runs the migrations of billing."""

from billing.store.tables import Base
from chassis.migrations import run

run(Base.metadata)
