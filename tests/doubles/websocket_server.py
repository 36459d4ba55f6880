"""The server's side of a WebSocket (RFC 6455), at the level of bytes, so that it can also be wrong on purpose.

What comes in is held to the rules strictly: masked, no reserved bits, control frames whole and short, text in UTF-8, fragments in order.
What goes out is whatever the caller makes of it: `frame` can lie about lengths, `Socket.write` can cut and dawdle.
"""
import base64
import hashlib
import os
import struct
import threading
import time

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
OPCODES = {CONTINUATION: "continuation", TEXT: "text", BINARY: "binary", CLOSE: "close", PING: "ping", PONG: "pong"}
MESSAGE_BYTES_MAX = 16 << 20


class ProtocolError(Exception):
    """The client broke the protocol."""


def accept_key(key):
    return base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()


def frame(opcode, payload=b"", fin=True, rsv=0, masked=False, declared=None, width=None):
    """One frame's bytes. declared: the length it claims; width: the bits of the length field (7, 16, 64) though fewer would do."""
    length = len(payload) if declared is None else declared
    if width is None:
        width = 7 if length < 126 else 16 if length < 65536 else 64
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    mask_bit = 0x80 if masked else 0
    if width == 7:
        head += bytes([mask_bit | length])
    else:
        head += bytes([mask_bit | (126 if width == 16 else 127)]) + struct.pack(">H" if width == 16 else ">Q", length)
    if masked:
        mask = os.urandom(4)
        return head + mask + unmask(payload, mask)
    return head + payload


def fragments(opcode, payload, size):
    """The message in frames of at most `size` bytes each."""
    parts = [payload[at:at + size] for at in range(0, len(payload), size)] or [b""]
    return [frame(opcode if index == 0 else CONTINUATION, part, fin=index == len(parts) - 1) for index, part in enumerate(parts)]


def unmask(payload, mask):
    repeated = mask * (len(payload) // 4 + 1)
    return (int.from_bytes(payload, "big") ^ int.from_bytes(repeated[:len(payload)], "big")).to_bytes(len(payload), "big")


def refusal_of_upgrade(headers):
    """What is wrong with a client's handshake; None when it is in order."""
    if headers.get("Upgrade", "").lower() != "websocket":
        return "no Upgrade: websocket"
    if "upgrade" not in [word.strip().lower() for word in headers.get("Connection", "").split(",")]:
        return "no Connection: Upgrade"
    if headers.get("Sec-WebSocket-Version") != "13":
        return "Sec-WebSocket-Version is not 13"
    try:
        if len(base64.b64decode(headers.get("Sec-WebSocket-Key", ""), validate=True)) != 16:
            return "Sec-WebSocket-Key is not 16 bytes"
    except ValueError:
        return "Sec-WebSocket-Key is not base64"
    return None


class Socket:
    """Reads messages from `reader` (a buffered file) and writes bytes to `connection`; writes of several threads do not mix."""

    def __init__(self, connection, reader):
        self.connection = connection
        self.reader = reader
        self.lock = threading.Lock()
        self.reading = threading.Event()  # cleared: nothing more is read
        self.reading.set()

    def write(self, data, piece=None, gap=0):
        """All of it, or in writes of `piece` bytes with `gap` seconds between."""
        with self.lock:
            if not piece:
                self.connection.sendall(data)
                return
            for at in range(0, len(data), piece):
                self.connection.sendall(data[at:at + piece])
                if gap:
                    time.sleep(gap)

    def _read(self, n, may_end=False):
        data = self.reader.read(n) if n else b""
        if len(data) < n:
            if may_end and not data:
                return None
            raise ConnectionError("the connection ended inside a frame")
        return data

    def read_frame(self):
        """(fin, opcode, payload); None at the end of the stream between two frames."""
        self.reading.wait()
        head = self._read(2, may_end=True)
        if head is None:
            return None
        fin, rsv, opcode, masked, length = bool(head[0] & 0x80), head[0] >> 4 & 7, head[0] & 15, bool(head[1] & 0x80), head[1] & 127
        if rsv:
            raise ProtocolError("reserved bits are set")
        if opcode not in OPCODES:
            raise ProtocolError(f"unknown opcode {opcode}")
        if not masked:
            raise ProtocolError("a client's frame is not masked")
        if opcode >= CLOSE and (not fin or length > 125):
            raise ProtocolError("a control frame is fragmented or too long")
        if length == 126:
            length = struct.unpack(">H", self._read(2))[0]
            if length < 126:
                raise ProtocolError("the length is not in its shortest form")
        elif length == 127:
            length = struct.unpack(">Q", self._read(8))[0]
            if length < 65536:
                raise ProtocolError("the length is not in its shortest form")
        if length > MESSAGE_BYTES_MAX:
            raise ProtocolError(f"a frame of {length} bytes")
        mask = self._read(4)
        return fin, opcode, unmask(self._read(length), mask)

    def messages(self):
        """(opcode, payload) of every whole message and every control frame, until the stream ends or a close frame has come."""
        kind, parts = None, []
        while True:
            got = self.read_frame()
            if got is None:
                return
            fin, opcode, payload = got
            if opcode >= CLOSE:
                if opcode == CLOSE and len(payload) == 1:
                    raise ProtocolError("a close frame of one byte")
                yield opcode, payload
                if opcode == CLOSE:
                    return
                continue
            if (opcode == CONTINUATION) != (kind is not None):
                raise ProtocolError("a fragment out of order")
            kind = kind if kind is not None else opcode
            parts.append(payload)
            if sum(map(len, parts)) > MESSAGE_BYTES_MAX:
                raise ProtocolError("a message too long")
            if not fin:
                continue
            message, whole = b"".join(parts), kind
            kind, parts = None, []
            if whole == TEXT:
                try:
                    message.decode()
                except UnicodeDecodeError:
                    raise ProtocolError("a text message is not UTF-8") from None
            yield whole, message
