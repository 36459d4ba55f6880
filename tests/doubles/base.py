"""What the doubles share: a threaded HTTP server on a free loopback port, a journal, and a queue of scripted behaviours.

A double is a program of its own: it prints `ready PORT` and is steered over HTTP, so that any test (or a person with curl) can use it.
    POST   /double/script    a JSON list of behaviours; each request takes the next one, then the default holds again.
                             In each: times (1: how many requests it lasts), skip (so many pass before it begins), match (only
                             requests with this text in their body), api (a name or a list: only those, where a double has names)
    GET    /double/journal   what was asked so far, as a JSON list
    DELETE /double/journal   forget it (and the script)
"""
import argparse
import json
import socket
import ssl
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class State:
    def __init__(self):
        self.lock = threading.Lock()
        self.journal = []
        self.script = []
        self.stopped = threading.Event()

    def next_behaviour(self, api=None, body=b""):
        with self.lock:
            for index, behaviour in enumerate(self.script):
                apis = behaviour.get("api", api)
                if api not in (apis if isinstance(apis, list) else [apis]) or behaviour.get("match", "").encode() not in body:
                    continue
                if behaviour.get("skip", 0) > 0:
                    behaviour["skip"] -= 1
                    continue
                behaviour["times"] = behaviour.get("times", 1) - 1
                if behaviour["times"] <= 0:
                    self.script.pop(index)
                return dict(behaviour)
            return {}

    def note(self, entry):
        with self.lock:
            self.journal.append(entry)


class Handler(BaseHTTPRequestHandler):
    disable_nagle_algorithm = True  # head and body are two writes: the second must not wait for the first to be acknowledged
    protocol_version = "HTTP/1.1"
    state = None  # set by serve()
    scheme = "http"

    def log_message(self, *args):
        pass

    def read_body(self):
        length = int(self.headers.get("Content-Length") or 0)
        return self.rfile.read(length)

    def send_plain(self, status, body, content_type="application/json", headers=()):
        data = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def send_json(self, status, value, headers=()):
        self.send_plain(status, json.dumps(value, ensure_ascii=False), headers=headers)

    def cut(self):
        """Ends the connection in the middle of whatever was being said."""
        self.close_connection = True
        try:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def stall(self, seconds):
        """Says nothing for a while; gives up early when the double is stopped."""
        self.state.stopped.wait(seconds)

    def control(self, body):
        if self.path == "/double/script" and self.command == "POST":
            with self.state.lock:
                self.state.script = json.loads(body)
            self.send_json(200, {"ok": True})
        elif self.path == "/double/journal" and self.command == "GET":
            with self.state.lock:
                journal = list(self.state.journal)
            self.send_json(200, journal)
        elif self.path == "/double/journal" and self.command == "DELETE":
            with self.state.lock:
                self.state.journal.clear()
                self.state.script = []
            self.send_json(200, {"ok": True})
        else:
            self.send_json(404, {"error": "no such control"})

    def handle_any(self):
        body = self.read_body()
        if self.path.startswith("/double/"):
            self.control(body)
            return
        try:
            self.answer(body)
        except OSError:
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = handle_any

    def answer(self, body):
        raise NotImplementedError

    def entry(self, body):
        """What the journal keeps of a request."""
        try:
            parsed = json.loads(body) if body else None
        except ValueError:
            parsed = None
        return {
            "time": time.time(),
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "bytes": len(body),
            "json": parsed,
        }


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def shutdown_request(self, request):
        """A socket that does not linger is to end with RST: no FIN may go before it."""
        if struct.unpack("ii", request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)) == (1, 0):
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request, client_address):
        """Clients that go away in the middle are what these tests are about."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def serve(handler, description, state=State):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--cert", help="speak TLS with this certificate and key (PEM, one file)")
    options = parser.parse_args()
    handler.state = state()
    server = Server(("127.0.0.1", options.port), handler)
    if options.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.cert)
        # The handshake happens with the first read, in the connection's own thread.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        handler.scheme = "https"
    print("ready", server.server_address[1], flush=True)
    # The parent closes our standard input when it ends, whatever way it ends.
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    handler.state.stopped.set()
