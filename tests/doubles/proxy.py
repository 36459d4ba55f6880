"""A double of a forward proxy: HTTP (absolute form and CONNECT) and SOCKS5 on one port, with or without a password.

It notes every target it was asked for, and connects to loopback whatever the name was (names are resolved here, as socks5h wants it).
Options: --port, --user NAME:PASSWORD, --tls FILE (certificate and key: an https proxy). Control: the journal is printed on standard output, one JSON object a line.
"""
import argparse
import base64
import json
import select
import socket
import ssl
import struct
import sys
import threading


def pump(left, right):
    """Copies both ways until either side ends."""
    peers = {left: right, right: left}
    while True:
        readable, _, _ = select.select(list(peers), [], [], 60)
        if not readable:
            return
        for sock in readable:
            data = sock.recv(65536)
            if not data:
                return
            peers[sock].sendall(data)


def read_exactly(sock, n):
    data = b""
    while len(data) < n:
        part = sock.recv(n - len(data))
        if not part:
            raise ConnectionError
        data += part
    return data


def read_head(sock, first):
    data = first
    while b"\r\n\r\n" not in data:
        part = sock.recv(4096)
        if not part:
            raise ConnectionError
        data += part
    return data


class Proxy:
    def __init__(self, user):
        self.user = user

    def note(self, kind, host, port, ok=True):
        print(json.dumps({"kind": kind, "host": host, "port": port, "ok": ok}), flush=True)

    def handle(self, sock):
        try:
            first = read_exactly(sock, 1)
            if first == b"\x05":
                self.socks(sock)
            else:
                self.http(sock, first)
        except (ConnectionError, OSError):
            pass
        finally:
            sock.close()

    def socks(self, sock):
        methods = read_exactly(sock, read_exactly(sock, 1)[0])
        wanted = 2 if self.user else 0
        if wanted not in methods:
            sock.sendall(b"\x05\xff")
            return self.note("socks5", "", 0, ok=False)
        sock.sendall(bytes([5, wanted]))
        if self.user:
            read_exactly(sock, 1)
            name = read_exactly(sock, read_exactly(sock, 1)[0])
            password = read_exactly(sock, read_exactly(sock, 1)[0])
            if f"{name.decode()}:{password.decode()}" != self.user:
                sock.sendall(b"\x01\x01")
                return self.note("socks5", "", 0, ok=False)
            sock.sendall(b"\x01\x00")
        _, _, _, kind = read_exactly(sock, 4)
        if kind == 3:
            host = read_exactly(sock, read_exactly(sock, 1)[0]).decode()
        else:
            host = socket.inet_ntop(socket.AF_INET if kind == 1 else socket.AF_INET6, read_exactly(sock, 4 if kind == 1 else 16))
        port = struct.unpack(">H", read_exactly(sock, 2))[0]
        self.note("socks5", host, port)
        with socket.create_connection(("127.0.0.1", port)) as upstream:
            sock.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
            pump(sock, upstream)

    def http(self, sock, first):
        head = read_head(sock, first)
        lines = head.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in lines[1:]}
        if self.user and headers.get("proxy-authorization") != "Basic " + base64.b64encode(self.user.encode()).decode():
            self.note("http", target, 0, ok=False)
            sock.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"double\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        if method == "CONNECT":
            host, port = target.rsplit(":", 1)
            self.note("connect", host, int(port))
            with socket.create_connection(("127.0.0.1", int(port))) as upstream:
                sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                pump(sock, upstream)
            return
        authority, _, path = target.split("://", 1)[1].partition("/")
        host, _, port = authority.partition(":")
        self.note("http", host, int(port or 80))
        with socket.create_connection(("127.0.0.1", int(port or 80))) as upstream:
            # One request a connection: a second one would go through as it is, with its absolute target.
            kept = [line for line in lines[1:] if not line.lower().startswith(("proxy-", "connection:"))] + ["Connection: close"]
            rest = head.split(b"\r\n\r\n", 1)[1]
            upstream.sendall("\r\n".join([f"{method} /{path} HTTP/1.1", *kept, "", ""]).encode("latin-1") + rest)
            pump(sock, upstream)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--user", default="", help="NAME:PASSWORD")
    parser.add_argument("--tls", default="", help="a PEM file")
    options = parser.parse_args()
    server = socket.create_server(("127.0.0.1", options.port), backlog=64)
    print("ready", server.getsockname()[1], flush=True)
    proxy = Proxy(options.user)
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.tls)

    def handle(sock):
        try:
            proxy.handle(context.wrap_socket(sock, server_side=True) if options.tls else sock)
        except OSError:
            sock.close()

    def accept():
        while True:
            sock, _ = server.accept()
            threading.Thread(target=handle, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    sys.exit(main())
