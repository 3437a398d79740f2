"""S3, emulated in memory by moto: the protocol is tested on it, durability is not."""

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import boto3

from embedded import ports
from servers.probes import answers
from servers.process import Server, private_folder, running

BUCKET = "millrace"
REGION = "us-east-1"


@contextmanager
def s3() -> Iterator[Server]:
    """Run a server with one empty bucket; the keys to it are in the server's environment."""
    [port] = ports.choose(1)
    endpoint = f"http://{ports.HOST}:{port}"
    command = (sys.executable, "-m", "moto.server", "-H", ports.HOST, "-p", str(port))
    ready = answers(port, b"GET /moto-api/ HTTP/1.0\r\n\r\n", expected=b"200")
    keys = {
        "AWS_ACCESS_KEY_ID": "millrace-tests",
        "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(24),
    }
    with private_folder() as folder, running(command, folder=folder, ready=ready):
        _make_bucket(endpoint, keys)
        yield Server(f"s3://{BUCKET}/blobs?endpoint={endpoint}&region={REGION}", keys)


def _make_bucket(endpoint: str, keys: dict[str, str]) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_bucket(Bucket=BUCKET)
    client.close()
