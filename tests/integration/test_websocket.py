"""Our WebSocket client against a server that others wrote (the package websockets), plain, over TLS and through proxies."""
import asyncio
import http
import os
import pathlib
import socket
import ssl
import subprocess
import threading

import pytest
import websockets

import harness

PROBE = pathlib.Path(harness.BINARY).parent / "tests" / "unit" / "net" / "websocket_probe"


class Server:
    """Runs `handler` for every connection, in a thread of its own."""

    def __init__(self, handler, certificate=None, receive_buffer=None, **options):
        self.loop = asyncio.new_event_loop()
        self.headers = []
        self.close_codes = []
        context = None
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            context.set_alpn_protocols(["h2", "http/1.1"])

        async def handle(connection):
            self.headers.append((connection.path, connection.request_headers))
            try:
                await handler(connection)
                await connection.wait_closed()
            except websockets.ConnectionClosed:
                pass
            self.close_codes.append(connection.close_code)

        listener = socket.create_server(("127.0.0.1", 0))
        if receive_buffer:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)

        async def serve():
            return await websockets.serve(handle, sock=listener, ssl=context, **options)

        self.server = self.loop.run_until_complete(serve())
        self.port = listener.getsockname()[1]
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def stop(self):
        async def close():
            self.server.close()
            await self.server.wait_closed()

        asyncio.run_coroutine_threadsafe(close(), self.loop).result(harness.DEADLINE_S)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(harness.DEADLINE_S)
        self.loop.close()


@pytest.fixture
def serve():
    started = []

    def start(handler, **options):
        started.append(Server(handler, **options))
        return started[-1]

    yield start
    for server in started:
        server.stop()


async def echo(connection):
    async for message in connection:
        await connection.send(message)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A file with a key and a certificate for localhost that signs itself."""
    directory = tmp_path_factory.mktemp("tls")
    key, cert, both = directory / "key.pem", directory / "cert.pem", directory / "both.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,DNS:far.example", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    both.write_text(key.read_text() + cert.read_text())
    return both


def probe(url, *options):
    """The lines that the probe printed."""
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "halt_on_error=1",
                   "http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1", "all_proxy": "http://127.0.0.1:1"}
    result = subprocess.run([PROBE, url, *map(str, options)], env=environment, capture_output=True, text=True, timeout=2 * harness.DEADLINE_S)
    assert result.returncode == 0, result.stderr
    assert not harness.SANITIZER_REPORT.search(result.stderr), result.stderr
    return result.stdout.splitlines()


CONVERSATION = ["--send", "你好", "--send", "", "--fill", 1048576, "--expect", 3]
ANSWER = ["open", "text 6 你好", "text 0 ", "text 1048576 " + "x" * 60, "close ok 0 1000"]


def test_a_foreign_server_understands_us(serve):
    server = serve(echo)
    assert probe(f"ws://127.0.0.1:{server.port}/connect?ticket=a%2Bb", *CONVERSATION) == ANSWER
    path, headers = server.headers[0]
    assert path == "/connect?ticket=a%2Bb"
    assert headers["Host"] == f"127.0.0.1:{server.port}"
    assert headers["User-Agent"] == "probe/1"
    harness.wait_for(lambda: server.close_codes == [1000], "the server's end of the connection")


def test_pings_and_fragments_of_a_foreign_server_are_understood(serve):
    async def talk(connection):
        await connection.send(["在", "么", "?"])
        await asyncio.wait_for(await connection.ping(b"are you there"), harness.DEADLINE_S)
        await connection.send(b"pong came")

    server = serve(talk)
    assert probe(f"ws://127.0.0.1:{server.port}/", "--expect", 2) == ["open", "text 7 在么?", "binary 9 pong came", "close ok 0 1000"]


def test_the_servers_close_code_is_told(serve):
    async def leave(connection):
        await connection.close(1001, "connection is expired")

    server = serve(leave)
    assert probe(f"ws://127.0.0.1:{server.port}/", "--expect", 1) == ["open", "close ok 0 1001"]
    harness.wait_for(lambda: server.close_codes == [1001], "our answer to the close frame")


def test_a_message_past_the_limit_is_refused_and_the_server_learns_why(serve):
    async def talk(connection):
        await connection.send("x" * (1024 * 1024 + 1))

    server = serve(talk)
    assert probe(f"ws://127.0.0.1:{server.port}/", "--expect", 1) == ["open", "close too_large 0 1009"]
    harness.wait_for(lambda: server.close_codes == [1009], "the close code at the server")


def test_a_refused_upgrade_is_told_with_its_status(serve):
    async def refuse(path, headers):
        return http.HTTPStatus.UNAUTHORIZED, [("Content-Type", "text/plain")], b"no\n"

    server = serve(echo, process_request=refuse)
    assert probe(f"ws://127.0.0.1:{server.port}/") == ["close denied 401 1006"]


def test_tls_is_spoken_with_a_trusted_server(serve, certificate):
    server = serve(echo, certificate=certificate)
    assert probe(f"wss://localhost:{server.port}/", "--ca", certificate, *CONVERSATION) == ANSWER


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_what_a_slow_reader_leaves_waiting_arrives_whole(serve, certificate, scheme):
    """Sockets take a part of a write; TLS wants one that was put off repeated from the same place."""
    async def compare(connection):
        sizes = [len(await connection.recv()) for _ in range(8)]
        await connection.send(str(sizes))

    server = serve(compare, certificate=certificate if scheme == "wss" else None, receive_buffer=16384, max_queue=1, read_limit=4096)
    fills = [500000 + i for i in range(8)]
    options = [part for size in fills for part in ("--fill", size)]
    lines = probe(f"{scheme}://localhost:{server.port}/", "--ca", certificate, *options, "--expect", 1)
    assert lines == ["open", f"text {len(str(fills))} {str(fills)[:60]}", "close ok 0 1000"]


def test_an_untrusted_certificate_is_refused(serve, certificate):
    server = serve(echo, certificate=certificate)
    lines = probe(f"wss://localhost:{server.port}/", *CONVERSATION)
    assert len(lines) == 1 and lines[0].startswith("close tls ")
    assert server.headers == []


def test_a_certificate_for_another_name_is_refused(serve, certificate):
    server = serve(echo, certificate=certificate)
    lines = probe(f"wss://127.0.0.1:{server.port}/", "--ca", certificate, *CONVERSATION)
    assert len(lines) == 1 and lines[0].startswith("close tls ")


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize("kind", ["http", "socks5h"])
def test_proxies_with_a_password_carry_it_and_resolve_the_name(serve, certificate, proxy, scheme, kind):
    server = serve(echo, certificate=certificate if scheme == "wss" else None)
    double = proxy("--user", "someone:p@ss")
    lines = probe(f"{scheme}://far.example:{server.port}/x", "--proxy", f"{kind}://someone:p%40ss@127.0.0.1:{double.port}",
                  "--ca", certificate, *CONVERSATION)
    assert lines == ANSWER
    expected = {"kind": "connect" if kind == "http" else "socks5", "host": "far.example", "port": server.port, "ok": True}
    harness.wait_for(lambda: double.asked == [expected], "the proxy's note")


@pytest.mark.parametrize("kind", ["http", "socks5h"])
def test_a_wrong_password_for_the_proxy_is_an_error(serve, proxy, kind):
    server = serve(echo)
    double = proxy("--user", "someone:right")
    lines = probe(f"ws://far.example:{server.port}/", "--proxy", f"{kind}://someone:wrong@127.0.0.1:{double.port}")
    assert len(lines) == 1 and lines[0].startswith("close net ")
    assert server.headers == []
