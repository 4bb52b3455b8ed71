"""The HTTP surface over real sockets: the lawful is answered, the rest refused, and nobody keeps others waiting."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.web import Limits
from tests.gateway.web.listener import TOKEN, Listener, post, read, status

QUICK = Limits(head=0.4, body_seconds=0.4, idle=0.4, body=1 << 20)


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    with Listener(replace(QUICK, head=5, idle=5, body_seconds=5)) as each:
        yield each


def outcome(answer: bytes) -> dict[str, object]:
    """The OperationOutcome's one issue."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/fhir+json" in head
    content = json.loads(body)
    assert content["resourceType"] == "OperationOutcome"
    (issue,) = content["issue"]
    assert issue["severity"] == "error"
    assert issue["details"]["text"]
    return dict(issue)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"GET /open HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (b"GET /open?a=1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n", 200),
        (b"GET /open HTTP/1.0\r\n\r\n", 200),
        (post("/echo/x", b"abc"), 200),
        (b"POST /echo/x HTTP/1.1\r\nHost: [::1]\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200),
        (b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"DELETE /open HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        (b"GET /echo/x HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        (post("/small", b"x" * 11), 413),
        (b"POST /small HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nabcdefghijk\r\n", 413),
        (b"POST /small HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
        (post("/echo/x", b"x", "Content-Encoding: gzip"), 415),
        (post("/broken", b"x"), 500),
        # what smuggles requests past a proxy
        (b"POST /echo/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
        (b"POST /echo/x HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /echo/x HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", 400),
        (b"POST /echo/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST /echo/x HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400),
        (b"POST /echo/x HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 400),
        (b"GET /open\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),  # TLS on a plain port
        (b"MSH|^~\\&|HIS|NORTH\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET /open HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", 431),
        (b"CONNECT x.example:443 HTTP/1.1\r\nHost: x.example:443\r\n\r\n", 404),
        (b"GET /open HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 200),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET http://localhost/open HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /open HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", 413),
        # without tokens: this machine only, and no web page on it
        (post("/echo/x", b"x").replace(b"Host: 127.0.0.1", b"Host: evil.example"), 421),
        (post("/echo/x", b"x", "Origin: https://evil.example"), 403),
        (post("/echo/x", b"x", "Sec-Fetch-Site: cross-site"), 403),
        (post("/echo/x", b"x", "Origin: http://localhost:8080"), 200),
    ],
)  # fmt: skip
def test_requests_and_their_answers(listener: Listener, request_: bytes, code: int) -> None:
    answer = listener.ask(request_)
    assert status(answer) == code, answer
    if code >= 400:
        outcome(answer)
    assert b"evil" not in answer
    assert b"ZZCANARY" not in answer


def test_an_error_of_ours_is_reported_by_class_only(listener: Listener) -> None:
    listener.ask(post("/broken"))
    assert listener.failures[-1] == ("/broken", "ValueError")


def test_head_and_query_and_path(listener: Listener) -> None:
    answer = listener.ask(b"HEAD /open HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert status(answer) == 200
    assert answer.endswith(b"\r\n\r\n")
    body = listener.ask(post("/echo/a%20b?c=1&d=%C3%A9&c=2", b"xyz")).partition(b"\r\n\r\n")[2]
    assert json.loads(body) == {"size": 3, "query": {"c": "1", "d": "é"}, "name": "a b"}


def test_many_requests_on_one_connection_also_all_at_once(listener: Listener) -> None:
    answer = listener.ask(post("/echo/x", b"abc") * 20)
    assert answer.count(b"HTTP/1.1 200") == 20
    with listener.connect() as connection:
        for _ in range(3):
            connection.sendall(post("/echo/x", b"abc"))
            assert status(connection.recv(65536)) == 200


def test_a_body_split_at_every_byte(listener: Listener) -> None:
    with listener.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in post("/echo/x", b"abcdef"):
            connection.sendall(bytes([byte]))
        assert status(connection.recv(65536)) == 200


def test_continue_is_said_only_where_the_body_is_wanted(listener: Listener) -> None:
    with listener.connect() as connection:
        connection.sendall(post("/echo/x", b"").replace(b"Length: 0", b"Length: 3\r\nExpect: 100-continue"))
        assert status(connection.recv(65536)) == 100
        connection.sendall(b"abc")
        assert status(connection.recv(65536)) == 200
    with listener.connect() as connection:
        connection.sendall(post("/small", b"").replace(b"Length: 0", b"Length: 999\r\nExpect: 100-continue"))
        assert status(connection.recv(65536)) == 413


def test_a_sender_of_too_much_reads_why(listener: Listener) -> None:
    """The answer isn't lost in a reset while the body is still being sent."""
    with listener.connect() as connection:
        connection.sendall(post("/echo/x").replace(b"Length: 0", b"Length: 8000000"))
        with suppress(OSError):
            connection.sendall(b"x" * 8_000_000)
        assert status(read(connection)) == 413


@pytest.mark.parametrize(
    ("given_", "code"),
    [
        ("", 401),
        ("Authorization: Basic YTpi", 401),
        (f"Authorization: Bearer {TOKEN}x", 401),
        (f"Authorization: Bearer {TOKEN[:-1]}", 401),
        ("Authorization: Bearer ", 401),
        (f"Authorization: Bearer {TOKEN}", 200),
        (f"authorization: bearer  {TOKEN}", 200),
        ("Authorization: Bearer other-token-of-tests", 200),
    ],
)
def test_tokens(given_: str, code: int) -> None:
    with Listener(QUICK, [TOKEN, "other-token-of-tests"]) as each:
        answer = each.ask(post("/echo/x", b"x", *([given_] if given_ else []), "Origin: https://any.example"))
        assert status(answer) == code
        assert (b"WWW-Authenticate: Bearer" in answer) == (code == 401)
        assert TOKEN.encode() not in answer
        assert status(each.ask(b"GET /open HTTP/1.1\r\nHost: probe.example\r\n\r\n")) == 200  # probes ask for none


def test_slow_heads_bodies_and_idle_connections_end() -> None:
    with Listener(QUICK) as each:
        silent, head, body, idle = (each.connect() for _ in range(4))
        head.sendall(b"POST /echo/x HTTP/1.1\r\nHost: local")
        body.sendall(post("/echo/x").replace(b"Length: 0", b"Length: 3") + b"a")
        idle.sendall(post("/echo/x"))
        assert read(silent) == b""
        assert status(read(head)) == 408
        assert status(read(body)) == 408
        assert status(read(idle)) == 200
        for connection in (silent, head, body, idle):
            connection.close()
        until = time.monotonic() + 5
        while each.server.connections and time.monotonic() < until:
            time.sleep(0.01)
        assert each.server.connections == 0


def test_slow_peers_give_way_to_new_ones() -> None:
    """300 connections that send a byte now and then, and none that works is kept waiting."""
    with Listener(replace(QUICK, connections=50, head=30, body_seconds=30)) as each:
        crowd = []
        for number in range(300):
            connection = each.connect()
            connection.sendall(b"POST /echo/x HTTP/1.1\r\nHost: localhost\r\n" if number % 2 else b"P")
            crowd.append(connection)
        begun = time.monotonic()
        for _ in range(20):
            assert status(each.ask(post("/echo/x", b"x" * 1000))) == 200
        assert time.monotonic() - begun < 5
        assert each.server.connections <= 50
        for connection in crowd:
            connection.close()


def test_bodies_under_way_are_bounded_together() -> None:
    with Listener(replace(QUICK, window=1500, body_seconds=5)) as each, each.connect() as first:
        first.sendall(post("/echo/x").replace(b"Length: 0", b"Length: 1000") + b"x" * 999)
        time.sleep(0.1)
        assert status(each.ask(post("/echo/x", b"x" * 1000))) == 503
        assert status(each.ask(post("/echo/x", b"x" * 100))) == 200
        first.sendall(b"x")
        assert status(first.recv(65536)) == 200
        assert status(each.ask(post("/echo/x", b"x" * 1000))) == 200


def test_draining_answers_what_is_under_way_and_nothing_else() -> None:
    with Listener(QUICK) as each, ThreadPoolExecutor(1) as other:
        idle = each.connect()
        idle.sendall(post("/echo/x"))
        assert status(idle.recv(65536)) == 200
        under_way = other.submit(each.ask, post("/slow"))
        time.sleep(0.1)
        each.close()
        answer = under_way.result(5)
        assert status(answer) == 200
        assert b"Connection: close" in answer
        assert idle.recv(10) == b""
        idle.close()
        with pytest.raises(ConnectionRefusedError):
            each.connect()


PIECES = (
    b"POST /echo/x HTTP/1.1\r\n",
    b"GET /open HTTP/1.1\r\n",
    b"Host: localhost\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"\r\n",
    b"abc",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"\xff",
)


@settings(max_examples=60)
@given(data=st.binary(max_size=300) | st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
def test_any_bytes_are_answered_or_closed(listener: Listener, data: bytes) -> None:
    answer = listener.ask(data)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 ")
    assert status(listener.ask(b"GET /open HTTP/1.1\r\nHost: localhost\r\n\r\n")) == 200
