"""A loop for tests does not end before the connections that were told to close."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

from chassis.testing.loops import PatientLoop

SIZE = 8 * 1024 * 1024


def _read(peer: socket.socket) -> int:
    received = 0
    while some := peer.recv(64 * 1024):
        received += len(some)
    return received


async def _write_and_close(ours: socket.socket) -> None:
    _reader, writer = await asyncio.open_connection(sock=ours)
    writer.write(bytes(SIZE))
    writer.close()


def test_what_was_written_before_a_connection_was_closed_arrives() -> None:
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    loop = PatientLoop()
    with theirs, ThreadPoolExecutor(1) as other_side:
        loop.run_until_complete(_write_and_close(ours))
        received = other_side.submit(_read, theirs)
        loop.close()
        assert received.result(10) == SIZE
    assert loop.is_closed()


async def test_every_test_runs_in_such_a_loop() -> None:
    assert isinstance(asyncio.get_running_loop(), PatientLoop)
