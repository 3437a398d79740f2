"""No log line holds what signs anybody in."""

import json
import logging
import sys

import pytest

from chassis.redaction import redacted
from chassis.telemetry import JsonFormatter

SECRET = "S3cr3t-of-ours"


@pytest.mark.parametrize(
    "text",
    [
        f"connecting to postgresql+asyncpg://millrace:{SECRET}@db:5432/catalog failed",
        f"redis://:{SECRET}@rates:6379/0 is away",
        f'{{"email": "a@example.com", "password": "{SECRET}"}}',
        f"body was {{'password': '{SECRET}', 'name': 'x'}}",
        f"password={SECRET}&grant_type=password",
        f"AWS_SECRET={SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"headers=[(b'authorization', b'Bearer {SECRET}'), (b'accept', b'*/*')]",
        f"X-API-Key: {SECRET}",
        f"api_key = {SECRET}, ok",
        f"refresh_token={SECRET}",
        f"set-cookie: {SECRET}; HttpOnly",
        f"sasl_plain_password='{SECRET}'",
        f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----",
        f"token eyJhbGciOi.eyJz{SECRET}.sig is not valid",
        f"key rctm_abcdefgh{SECRET} is unknown",
        f"stripe said no to sk_live_abc{SECRET.replace('-', '')}",
    ],
)
def test_a_secret_is_hidden(text: str) -> None:
    hidden = redacted(text)
    assert SECRET not in hidden
    assert SECRET.replace("-", "") not in hidden
    assert "***" in hidden


@pytest.mark.parametrize(
    "text",
    [
        "model 7 is loaded in 0.31 s",
        "record conversions.v1:0:12 goes to the dead letters",
        "http://gateway:8000/api/v1/auth/token answered 401",
        "the password was wrong",
        "token key 3f was sealed by another assertion key",
        "postgresql://db:5432/catalog is away",
        "12:30:01 replica a@b is out",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


def test_a_log_line_hides_secrets_in_messages_and_errors() -> None:
    try:
        raise ConnectionError(f"redis://:{SECRET}@rates is away")
    except ConnectionError:
        error = sys.exc_info()
    record = logging.LogRecord(
        "millrace", logging.ERROR, __file__, 1, "password=%s", (SECRET,), error
    )
    line = JsonFormatter("gateway").format(record)
    assert SECRET not in line
    said = json.loads(line)
    assert said["message"] == "password=***"
    assert "ConnectionError" in said["error"]
    assert said["trace_id"] == "0" * 32
