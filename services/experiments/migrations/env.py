"""Runs the migrations of experiments."""

from chassis.migrations import run
from experiments.store.tables import Base

run(Base.metadata)
