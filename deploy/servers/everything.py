"""All servers there are, by name."""

from collections.abc import Mapping
from dataclasses import dataclass

from servers import kafka, mongo, otlp, postgres, redis, s3
from servers.server import Describe


@dataclass(frozen=True, slots=True)
class Kind:
    """A server that can be had, the variable that names it to Millrace, its number of ports."""

    describe: Describe
    variable: str
    ports: int = 1


EVERYTHING: Mapping[str, Kind] = {
    "postgres": Kind(postgres.describe, "MILLRACE_DATABASE_URL"),
    "mongo": Kind(mongo.describe, "MILLRACE_DOCUMENTS_URL"),
    "redis": Kind(redis.describe, "MILLRACE_RATES_URL"),
    "s3": Kind(s3.describe, "MILLRACE_BLOBS_URL"),
    "kafka": Kind(kafka.describe, "MILLRACE_KAFKA_URL", ports=2),
    "otlp": Kind(otlp.describe, "MILLRACE_OTLP_ENDPOINT"),
}
