"""What passes a proxy, and what does not once it is told so."""

from __future__ import annotations

import socket
import threading

import pytest

from tests.faults.proxy import Loop, Proxy


@pytest.fixture
def proxy():
    """In front of a server that says back what it hears."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def echo(connection: socket.socket) -> None:
            with connection:
                try:
                    while piece := connection.recv(100):
                        connection.sendall(piece)
                except OSError:
                    pass

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=echo, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        loop = Loop()
        yield Proxy(loop, server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        loop.close()


def connected(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5.0)


def says(connection: socket.socket, word: bytes = b"hello", timeout_s: float = 5.0) -> bytes:
    connection.settimeout(timeout_s)
    connection.sendall(word)
    return connection.recv(100)


def test_what_is_sent_passes_in_both_directions(proxy):
    with connected(proxy) as connection:
        assert says(connection) == b"hello"


def test_a_cut_connection_is_reset_and_no_new_one_is_taken_until_it_is_healed(proxy):
    with connected(proxy) as connection:
        assert says(connection) == b"hello"
        with proxy.cut():
            with pytest.raises(ConnectionResetError):
                connection.recv(100)
            with pytest.raises(ConnectionRefusedError):
                connected(proxy)
    with connected(proxy) as again:
        assert says(again) == b"hello"


@pytest.mark.parametrize("ways", [(), ("asked",), ("answered",)])
def test_of_a_silent_connection_nothing_arrives(proxy, ways):
    with connected(proxy) as connection:
        assert says(connection) == b"hello"
        with proxy.silent(*ways), pytest.raises(TimeoutError):
            says(connection, timeout_s=0.3)
    with connected(proxy) as again:
        assert says(again) == b"hello"


def test_connections_that_are_reset_can_be_opened_again(proxy):
    with connected(proxy) as connection:
        assert says(connection) == b"hello"
        with proxy.resetting(), pytest.raises(ConnectionResetError):
            connection.recv(100)
    with connected(proxy) as again:
        assert says(again) == b"hello"


def test_a_slow_connection_takes_longer_in_each_direction(proxy):
    with connected(proxy) as connection, proxy.slow(0.3), pytest.raises(TimeoutError):
        says(connection, timeout_s=0.4)
