"""Runs training's migrations."""

from chassis.migrations import run
from training.store.tables import Base

run(Base.metadata)
