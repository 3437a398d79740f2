"""Ports: taken ones are refused with advice, chosen ones are free."""

import socket

import pytest

from embedded import ports
from embedded.failure import Failure


def test_a_taken_port_is_refused_with_the_setting_to_change() -> None:
    with socket.create_server((ports.HOST, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(Failure, match=rf"Port {port} .* is taken.*MILLRACE_PORT"):
            ports.require_free(port, "MILLRACE_PORT")


def test_a_free_port_is_accepted() -> None:
    (port,) = ports.choose(1)
    ports.require_free(port, "MILLRACE_PORT")
    assert ports.is_free(port)


def test_chosen_ports_are_different() -> None:
    assert len(set(ports.choose(20))) == 20


def test_ports_are_chosen_from_a_range_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_PORTS", "41000-41009")
    assert set(ports.choose(3)) <= set(range(41_000, 41_010))
    with pytest.raises(Failure, match="11 free ports are needed, and 41000-41009 has"):
        ports.choose(11)


@pytest.mark.parametrize("said", ["many", "9-1", "0-10", "1-70000", "20000", "1-2-3", "-1-5"])
def test_what_is_no_range_is_refused(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("MILLRACE_PORTS", said)
    with pytest.raises(Failure, match="the first and the last port"):
        ports.choose(1)


def test_a_promised_port_is_not_chosen_again() -> None:
    promised = {port for port in range(20_000, 32_000) if port % 1000}
    assert not promised & set(ports.choose(5, besides=promised))
