"""A token in a WebSocket's address is in no log, however it is spelled."""

import logging
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from chassis import telemetry
from chassis.settings import Settings
from gateway.tests.door import listening
from gateway.tests.stage import Stage


@pytest.fixture
def logs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Write logs as a service does, all of them, to what `capsys` reads."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    telemetry.start_logs("gateway", Settings(home=tmp_path, log_level="DEBUG"))
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def _spellings(token: str) -> list[str]:
    encoded = "".join(f"%{ord(each):02X}" for each in token)
    plain = urlencode({"token": token})
    return [plain, f"after=1&{plain}", f"%74oken={encoded}", f"token={encoded}"]


@pytest.mark.parametrize("number", range(4))
async def test_no_log_holds_the_token_of_an_address(
    stage: Stage, logs: None, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    await stage.register()
    token = (await stage.login())["access"]
    query = _spellings(token)[number]
    async with listening(stage) as door:
        for path in ("/ws/job/7/status/", "/ws/nothing/"):
            async with connect(f"ws://127.0.0.1:{door.port}{path}?{query}") as socket:
                with pytest.raises(ConnectionClosed):
                    await socket.recv()
    logging.getLogger("gateway").warning("what is written is read")
    written = "".join(capsys.readouterr())
    assert "what is written is read" in written
    secret = query.rpartition("=")[2]
    for part in (secret[-40:], secret[:60], token.rpartition(".")[2]):
        assert part not in written
