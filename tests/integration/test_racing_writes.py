"""Writers that race on a real PostgreSQL: nobody announces what is past, and nobody waits in a ring."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

import catalog.app
import experiments.app
from catalog.domain.items import Draft
from catalog.operations import interactions
from catalog.operations import items as catalog_items
from catalog.tests.world import an_interaction
from chassis.app import Service
from chassis.away import is_unfit
from chassis.testing import ADMIN, OTHER_TENANT, TENANT, Bench, on_the_bench, write_keys
from contracts.catalog import DataFileChanged, ProjectChanged, ProjectDeleted
from contracts.tenants import PersonErased, TenantRegistered

_ROUNDS = 12
Build = Callable[[str, Path], Service]
