"""The double of DingTalk misbehaves as it is told, to the byte: seen by a client that looks at bytes."""
import json
import socket
import ssl
import sys
import time

import pytest

from harness import DEADLINE_S, ROOT, Gateway, certificate, message, wait_for

sys.path.insert(0, str(ROOT / "tests" / "doubles"))

import websocket_server as ws  # noqa: E402

KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
TOPICS = [{"type": "EVENT", "topic": "*"}, {"type": "CALLBACK", "topic": "/v1.0/im/bot/messages/get"}]


class Client:
    """A WebSocket client that knows what it got: `received` are the bytes, heads included."""

    def __init__(self, gateway, context=None):
        opened = gateway.call("POST", "/v1.0/gateway/connections/open", {"clientId": Gateway.APP, "clientSecret": Gateway.SECRET,
                                                                         "subscriptions": TOPICS})
        self.received = b""
        self.socket = socket.create_connection(("127.0.0.1", gateway.port), DEADLINE_S)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall((f"GET /connect?ticket={opened['ticket']} HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\nUpgrade: websocket\r\n"
                             f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n").encode())

    def read(self):
        """What comes next; b"" at the end, None at a reset."""
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionResetError:
            return None
        self.received += data
        return data

    def until(self, condition):
        while not condition(self.received):
            assert self.read(), self.received
        return self.received

    def to_end(self):
        while self.read():
            pass
        return self.received

    def head(self):
        return self.until(lambda data: b"\r\n\r\n" in data).split(b"\r\n\r\n", 1)[0]

    def body(self, n=1):
        """At least n bytes after the head."""
        return self.until(lambda data: b"\r\n\r\n" in data and len(data.split(b"\r\n\r\n", 1)[1]) >= n).split(b"\r\n\r\n", 1)[1]

    def send(self, data):
        self.socket.sendall(data)

    def close(self):
        self.socket.close()


@pytest.fixture
def connect(gateway):
    """A function that connects; script the double before."""
    clients = []

    def make(wait=True):
        clients.append(Client(gateway))
        if wait:
            clients[-1].head()
            gateway.wait_connected()
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def violations(gateway):
    return [each["what"] for each in wait_for(gateway.violations, "a violation") if "Accept" not in each["what"]]


@pytest.mark.parametrize("data, what", [
    (ws.frame(ws.TEXT, b"{}"), "a client's frame is not masked"),
    (ws.frame(ws.TEXT, b"{}", rsv=4, masked=True), "reserved bits are set"),
    (ws.frame(3, b"", masked=True), "unknown opcode 3"),
    (ws.frame(ws.PING, b"x" * 126, masked=True), "a control frame is fragmented or too long"),
    (ws.frame(ws.CONTINUATION, b"x", masked=True), "a fragment out of order"),
    (ws.frame(ws.TEXT, b"x", masked=True, width=16), "the length is not in its shortest form"),
    (ws.frame(ws.TEXT, b"\xff", masked=True), "a text message is not UTF-8"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_a_client_that_breaks_the_protocol_is_told_and_closed(gateway, connect, data, what):
    client = connect()
    client.send(data)
    assert client.to_end().endswith(what.encode()) and client.received.split(b"\r\n\r\n", 1)[1][2:4] == b"\x03\xea"
    wait_for(lambda: what in violations(gateway), "the violation")
    closed = wait_for(lambda: gateway.connections(only_open=False)[0]["closed"], "the end") and gateway.connections(only_open=False)[0]
    assert closed["how"] == "protocol"


@pytest.mark.parametrize("ack, what", [
    ({"code": 200, "headers": {"messageId": "made-up", "contentType": "application/json"}, "data": ""},
     "an ACK for a message that this connection never got"),
    ({"code": "200", "headers": {"messageId": "m1", "contentType": "application/json"}, "data": ""}, "an ACK's code is no number"),
    ({"code": 200, "headers": {"messageId": "m1", "contentType": "application/json"}, "data": {}}, "an ACK's data is no string"),
    ({"code": 200, "headers": {"messageId": "m1"}, "data": ""}, "an ACK's contentType is not application/json"),
    ({"code": 200}, "what came is no ACK"),
])
def test_a_wrong_ack_is_noted(gateway, connect, ack, what):
    client = connect()
    gateway.push(message("x", gateway.url), messageId="m1")
    client.send(ws.frame(ws.TEXT, json.dumps(ack).encode(), masked=True))
    wait_for(lambda: what in violations(gateway), "the violation")


def test_an_ack_on_another_connection_does_not_count(gateway, connect):
    first, second = connect(), connect()
    wait_for(lambda: len(gateway.connections()) == 2, "two connections")
    old = gateway.connections()[0]["id"]
    gateway.push(message("x", gateway.url), messageId="m1", connection=old)
    first.body()
    ack = {"code": 200, "headers": {"messageId": "m1", "contentType": "application/json"}, "data": ""}
    second.send(ws.frame(ws.TEXT, json.dumps(ack).encode(), masked=True))
    assert wait_for(lambda: violations(gateway), "a violation") == ["an ACK for a message that this connection never got"]
    assert gateway.acks() == []
    first.send(ws.frame(ws.TEXT, json.dumps(ack).encode(), masked=True))
    assert gateway.wait_ack(messageId="m1")["connection"] == old


def test_the_first_frames_can_come_with_the_101(gateway, connect):
    gateway.script({"api": "connect", "first": [{"data": message("a", gateway.url)}, {"data": message("b", gateway.url)}]})
    client = connect(wait=False)
    first = client.read()
    assert ACCEPT.encode() in first and first.count(b'"specVersion"') == 2


def test_the_handshake_can_be_wrong_cut_or_slow(gateway, connect):
    gateway.script({"api": "connect", "bad_accept": True}, {"api": "connect", "cut_at": 20}, {"api": "connect", "piece": 10, "gap": 0.05},
                   {"api": "connect", "refuse": 403}, {"api": "connect", "cut": "before"}, {"api": "connect", "html": True})
    assert ACCEPT.encode() not in connect(wait=False).head()
    assert len(connect(wait=False).to_end()) == 20
    slow = connect(wait=False)
    assert not slow.read().endswith(b"\r\n\r\n") and ACCEPT.encode() in slow.head()
    assert connect(wait=False).head().startswith(b"HTTP/1.1 403")
    assert connect(wait=False).to_end() == b""
    assert connect(wait=False).head().startswith(b"HTTP/1.1 502")


def test_a_frame_can_be_cut_at_any_byte(gateway, connect):
    for cut in (0, 1, 2, 3, 100):
        client = connect()
        gateway.push(message("x", gateway.url), cut=cut, redeliver_s=0, connection=gateway.wait_connected()[-1]["id"])
        assert len(client.to_end().split(b"\r\n\r\n", 1)[1]) == cut
        wait_for(lambda: not gateway.connections(), "the end")


def test_the_end_can_be_a_reset_a_fin_or_a_close_frame(gateway, connect):
    client = connect()
    gateway.tell("close", how="reset")
    assert client.read() is None
    client = connect()
    gateway.tell("close", how="tcp")
    assert client.read() == b""
    client = connect()
    gateway.tell("close", how="close", code=1001, reason="bye")
    assert client.body() == b"\x88\x05\x03\xe9bye"


def test_disconnect_stops_pushes_and_ends_the_connection_after_a_while(gateway, connect):
    client = connect()
    gateway.disconnect(close_after=0.3)
    assert gateway.push(message("x", gateway.url))["waiting"]
    began = time.monotonic()
    assert b"connection is expired" in client.to_end()
    assert 0.1 < time.monotonic() - began < 5
    fresh = connect()
    fresh.until(lambda data: b'"msgtype' in data.replace(b"\\", b""))


def test_a_deaf_connection_stays_open_and_says_nothing(gateway, connect):
    client = connect()
    gateway.tell("deaf")
    gateway.push(message("lost", gateway.url), redeliver_s=0)
    client.send(ws.frame(ws.PING, b"?", masked=True))
    client.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.read()
    client.socket.settimeout(DEADLINE_S)
    gateway.tell("deaf", mode=None)
    client.send(ws.frame(ws.PING, b"!", masked=True))
    assert client.body(3) == b"\x8a\x01!"


def test_raw_bytes_and_lying_frames_go_out_as_they_are(gateway, connect):
    client = connect()
    gateway.tell("raw", hex="00ff")
    gateway.tell("raw", opcode=11, rsv=7, payload="x")
    gateway.tell("raw", payload="x", declared=1000000, masked=False)
    assert client.body(2 + 3 + 11) == b"\x00\xff" + b"\xfb\x01x" + b"\x81\x7f" + (1000000).to_bytes(8, "big") + b"x"


def test_a_connection_keeps_the_shape_it_was_given(gateway, connect):
    gateway.script({"api": "connect", "fragment": 50})
    client = connect()
    gateway.push(message("x", gateway.url))
    assert client.body(4)[:2] == b"\x01\x32"


def test_a_named_robot_gets_its_own_messages_only(gateway, connect):
    connect()
    assert gateway.push(message("x", gateway.url, robotCode="dingrobot2"))["waiting"]
    assert not gateway.push(message("x", gateway.url, robotCode="dingrobot1"))["waiting"]


def test_answers_of_the_api_can_be_cut_delayed_and_lost(gateway):
    asked = ("/v1.0/oauth2/accessToken", {"appKey": Gateway.APP, "appSecret": Gateway.SECRET})
    gateway.script({"api": "token", "cut_at": 30}, {"api": "token", "cut": "after"}, {"api": "token", "html": True},
                   {"api": "token", "delay_after": 0.2}, {"api": "token", "answer": {"expireIn": 1}})
    for _ in range(3):
        with pytest.raises((OSError, ValueError)):
            gateway.call("POST", *asked)
    began = time.monotonic()
    assert gateway.call("POST", *asked)["expireIn"] == 7200 and time.monotonic() - began >= 0.2
    assert gateway.call("POST", *asked)["expireIn"] == 1
    assert gateway.counts()["token"] == {"calls": 5, "ok": 4, "clients": {Gateway.APP: 4, "null": 1}}


def test_the_double_can_speak_tls(tmp_path):
    both, cert = certificate(tmp_path)
    gateway = Gateway("--cert", str(both))
    try:
        opened = gateway.call("POST", "/v1.0/gateway/connections/open", {"clientId": Gateway.APP, "clientSecret": Gateway.SECRET,
                                                                         "subscriptions": TOPICS})
        assert opened["endpoint"].startswith("wss://")
        client = Client(gateway, ssl.create_default_context(cafile=cert))
        assert ACCEPT.encode() in client.head()
        said = message("密", gateway.url)
        gateway.push(said)
        client.until(lambda data: said["msgId"].encode() in data)
        client.close()
    finally:
        gateway.stop()
