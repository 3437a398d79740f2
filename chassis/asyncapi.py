"""One AsyncAPI 3.0 document per service: the topics it listens to and the topics it owns."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from chassis.subscriptions import Subscription
from contracts.topics import ERASURES, INGEST_TOPICS, TOPICS, IngestTopic, Topic


def schema_of(topic: Topic | IngestTopic) -> dict[str, Any] | None:
    """Return the JSON Schema of a topic's records, or None where the contract sets none."""
    if topic.schema is None:
        return None
    return TypeAdapter(topic.schema).json_schema(by_alias=True)


def name_of(topic: Topic | IngestTopic) -> str:
    """Return a topic's name; a tenant's topics have a place for the tenant's uid."""
    return topic.name if isinstance(topic, Topic) else topic.of("{tenant}")


def document(
    service: str, *, version: str, subscriptions: Sequence[Subscription]
) -> dict[str, Any]:
    """Return the document of a service."""
    every: list[Topic | IngestTopic] = [*TOPICS, *INGEST_TOPICS]
    owned = [topic for topic in every if topic.owner == service]
    # Receipts come from every service.
    sends = [topic for topic in dict.fromkeys([*owned, ERASURES]) if not _from_tenants(topic)]
    heard = {name_of(each.topic): each.topic for each in subscriptions}
    channels = {name_of(topic): _channel(topic) for topic in [*heard.values(), *sends]}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": f"Millrace {service}", "version": version},
        "defaultContentType": "application/json",
        "channels": dict(sorted(channels.items())),
        "operations": {
            **{f"receive.{each.name}": _receive(service, each) for each in _sorted(subscriptions)},
            **{f"send.{name_of(topic)}": _operation("send", topic) for topic in sends},
        },
    }


def _from_tenants(topic: Topic | IngestTopic) -> bool:
    return isinstance(topic, IngestTopic) and topic.schema is not None


def _sorted(subscriptions: Iterable[Subscription]) -> list[Subscription]:
    return sorted(subscriptions, key=lambda each: each.name)


def _channel(topic: Topic | IngestTopic) -> dict[str, Any]:
    schema = schema_of(topic)
    message: Mapping[str, Any] = {"payload": schema} if schema else {}
    channel: dict[str, Any] = {
        "address": name_of(topic),
        "title": name_of(topic),
        "messages": {"record": message},
    }
    if isinstance(topic, IngestTopic):
        channel["parameters"] = {"tenant": {"description": "The tenant's uid."}}
    return channel


def _receive(service: str, subscription: Subscription) -> dict[str, Any]:
    shared = subscription.style != "replica"
    group = f"group {service}.{subscription.name}" if shared else "every replica reads all of it"
    return _operation("receive", subscription.topic) | {"description": group}


def _operation(action: str, topic: Topic | IngestTopic) -> dict[str, Any]:
    escaped = name_of(topic).replace("~", "~0").replace("/", "~1")
    return {"action": action, "channel": {"$ref": f"#/channels/{escaped}"}}
