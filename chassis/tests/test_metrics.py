"""What `/metrics` says, in both formats, and what it never says."""

import secrets

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain_text

from chassis.testing import ADMIN, Bench

THING = "/api/v1/thing/"
OPENMETRICS = {"accept": "application/openmetrics-text; version=1.0.0"}


async def exemplars(bench: Bench) -> set[str]:
    """Return the traces that the histogram of requests names."""
    async with bench.as_caller(None) as client:
        text = (await client.get("/metrics", headers=OPENMETRICS)).text
    read = openmetrics(text)  # type: ignore[no-untyped-call]
    [family] = [each for each in read if each.name == "millrace_request_seconds"]
    return {sample.exemplar.labels["trace_id"] for sample in family.samples if sample.exemplar}


async def ask(bench: Bench, *, sampled: bool) -> str:
    """Make a request that a client traces, and return the trace's id."""
    trace_id = secrets.token_hex(16)
    traceparent = f"00-{trace_id}-{secrets.token_hex(8)}-{'01' if sampled else '00'}"
    async with bench.as_caller(ADMIN) as client:
        answer = await client.get(THING, headers={"traceparent": traceparent})
    assert answer.status_code == 200
    return trace_id


async def test_the_exemplar_of_a_request_names_its_trace(bench: Bench) -> None:
    assert await ask(bench, sampled=True) in await exemplars(bench)


async def test_a_trace_that_nobody_keeps_is_not_named(bench: Bench) -> None:
    assert await ask(bench, sampled=False) not in await exemplars(bench)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/html, */*", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0"),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
            "application/openmetrics-text; version=1.0.0",
        ),
    ],
)
async def test_the_reader_chooses_the_format(bench: Bench, accept: str, content_type: str) -> None:
    async with bench.as_caller(None) as client:
        answer = await client.get("/metrics", headers={"accept": accept})
    assert answer.headers["content-type"].startswith(content_type)
    read = openmetrics if "openmetrics" in content_type else plain_text
    names = {family.name for family in read(answer.text)}
    assert {"millrace_request_seconds", "millrace_build_info", "millrace_events"} <= {
        name.removesuffix("_total") for name in names
    }
    assert not [name for name in names if name.endswith("_created")]


async def test_what_strangers_choose_makes_no_series(bench: Bench) -> None:
    word = secrets.token_hex(8)
    async with bench.as_caller(ADMIN) as client:
        await client.request(word.upper(), THING)
        await client.get(f"/{word}")
        await client.get(f"{THING}{word}/")
        text = (await client.get("/metrics")).text
    assert word not in text.lower()
    assert 'method="other"' in text
    assert 'route="unmatched"' in text


async def test_readiness_pool_and_version_are_told(bench: Bench) -> None:
    async with bench.as_caller(None) as client:
        await client.get("/readyz")
        text = (await client.get("/metrics")).text
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in plain_text(text)
        for sample in family.samples
    }
    assert samples["millrace_ready", "database"] == 1
    assert samples["millrace_build_info", bench.service.version] == 1
    assert samples["millrace_database_connections", "in_use"] == 0
    assert samples["millrace_database_connections_limit",] == 16
