"""Tallies follow conversions: each adds to the tests whose window its own time falls into."""

from collections.abc import Sequence
from dataclasses import replace

from chassis.database import Transaction
from experiments.domain.conversions import Conversion
from experiments.domain.exposures import facts_of
from experiments.domain.samples import Sample
from experiments.domain.tallies import Tally, share_of
from experiments.store import ab_tests, exposures
from experiments.store import tallies as store


async def add(tx: Transaction, conversions: Sequence[Conversion]) -> None:
    """Count conversions that were kept just now; their slots are held in this transaction."""
    if not conversions:
        return
    times = [conversion.occurred_at for conversion in conversions]
    touched = {conversion.slot_id for conversion in conversions}
    tests = await ab_tests.counting(tx.session, touched, since=min(times), until=max(times))
    for test in tests:
        for slot_id in sorted(touched.intersection(test.slot_ids)):
            share = share_of(test, slot_id, conversions)
            shown = await store.first_shown(
                tx.session, test, slot_id, share.requests, tenant_id=tx.tenant_id
            )
            gained = replace(share.tally, impressions=share.tally.impressions + shown)
            facts = facts_of(test, slot_id, conversions)
            sample = await exposures.add(
                tx.session, test.id, slot_id, facts, tenant_id=tx.tenant_id
            )
            if gained != Tally() or sample != Sample():
                await store.increase(tx.session, test, slot_id, gained, sample)
