"""The stream side of DingTalk: tickets, connections, pushes, their ACKs and their redelivery."""
import base64
import heapq
import itertools
import json
import random
import socket
import struct
import threading
import time
import uuid

import websocket_server as ws
from gateway_cards import CALLBACK_S

BOT_TOPIC = "/v1.0/im/bot/messages/get"
CARD_TOPIC = "/v1.0/card/instances/callback"
SEND_TIMEOUT_S = 5


class Scheduler:
    """Runs functions at their time, on threads of their own where they may take long."""

    def __init__(self):
        self.condition = threading.Condition()
        self.heap = []
        self.serial = itertools.count()
        threading.Thread(target=self._run, daemon=True).start()

    def after(self, seconds, function):
        with self.condition:
            heapq.heappush(self.heap, (time.monotonic() + seconds, next(self.serial), function))
            self.condition.notify()

    def clear(self):
        with self.condition:
            self.heap.clear()

    def _run(self):
        while True:
            with self.condition:
                while not self.heap or self.heap[0][0] > time.monotonic():
                    self.condition.wait(self.heap[0][0] - time.monotonic() if self.heap else None)
                function = heapq.heappop(self.heap)[2]
            threading.Thread(target=function, daemon=True).start()


class Connection:
    """One WebSocket of one app."""

    def __init__(self, name, ticket, sock, headers):
        self.name = name
        self.ticket = ticket
        self.socket = sock
        self.facts = {"id": name, "client": ticket["client"], "ua": ticket["ua"], "subscriptions": ticket["subscriptions"], "headers": headers,
                      "opened": time.time(), "closed": None, "how": None, "by": None, "close_code": None, "draining": False, "deaf": None,
                      "pings": [], "pongs": [], "frames": 0, "acks": 0, "last_heard": time.time()}

    @property
    def client(self):
        return self.ticket["client"]

    @property
    def is_open(self):
        return self.facts["closed"] is None

    def takes(self, kind, topic):
        return any(each.get("type") == kind and each.get("topic") in (topic, "*") for each in self.ticket["subscriptions"])

    def write(self, data, piece=None, gap=0):
        """False when it did not go out. On a deaf connection everything vanishes."""
        if self.facts["deaf"]:
            return True
        try:
            self.socket.write(data, piece or self.ticket["shape"].get("piece"), gap or self.ticket["shape"].get("gap", 0))
            return True
        except OSError:
            return False

    def end(self, how, code=1000, reason=""):
        """how: "close" (a close frame first), "tcp" (just the end of the stream), "reset" (RST)."""
        if self.is_open:
            self.facts["by"] = "server"
        if how == "close":
            self.write(ws.frame(ws.CLOSE, struct.pack(">H", code) + reason.encode()))
        try:
            if how == "reset":
                self.socket.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            ways = {"close": socket.SHUT_WR, "tcp": socket.SHUT_RDWR, "reset": socket.SHUT_RD}
            self.socket.connection.shutdown(ways[how])
        except OSError:
            pass
        self.socket.reading.set()


class Stream:
    def __init__(self, settings, note, violation, cards):
        self.settings, self.note, self.violation, self.cards = settings, note, violation, cards
        self.lock = threading.RLock()
        self.scheduler = Scheduler()
        self.tickets = {}
        self.connections = []
        self.deliveries = []
        self.by_message_id = {}
        self.serial = itertools.count(1)

    # -- tickets and connections

    def issue(self, client, subscriptions, ua):
        ticket = str(uuid.uuid4()) + self.settings["ticket_suffix"]
        with self.lock:
            self.tickets[ticket] = {"client": client, "subscriptions": subscriptions, "ua": ua, "shape": {},
                                    "expires": time.monotonic() + self.settings["ticket_s"]}
        return ticket

    def redeem(self, name):
        """The ticket's facts, once and in time; None otherwise."""
        with self.lock:
            ticket = self.tickets.get(name)
            if ticket is None or ticket.get("used") or ticket["expires"] < time.monotonic():
                return None
            ticket["used"] = True
            return ticket

    def connect(self, ticket, sock, headers):
        send_timeout = struct.pack("ll", SEND_TIMEOUT_S, 0)
        sock.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, send_timeout)
        with self.lock:
            connection = Connection(f"c{next(self.serial)}", ticket, sock, headers)
            self.connections.append(connection)
        self.note({"time": time.time(), "api": "ws", "event": "connected", "connection": connection.name, "client": connection.client})
        if self.settings["ping_s"]:
            self.scheduler.after(self.settings["ping_s"], lambda: self._ping_again(connection))
        return connection

    def _ping_again(self, connection):
        if connection.is_open:
            if not connection.facts["draining"]:
                self.system({"topic": "ping", "connection": connection.name})
            self.scheduler.after(self.settings["ping_s"] or 1, lambda: self._ping_again(connection))

    def serve(self, connection):
        """Reads until the connection's end."""
        self._flush(connection)
        how = "tcp"
        try:
            for opcode, payload in connection.socket.messages():
                if connection.facts["deaf"]:
                    continue
                connection.facts["last_heard"] = time.time()
                connection.facts["frames"] += 1
                if opcode == ws.CLOSE:
                    how = "close"
                    connection.facts["close_code"] = struct.unpack(">H", payload[:2])[0] if payload else 1005
                    connection.write(ws.frame(ws.CLOSE, payload[:2]))
                elif opcode == ws.PING:
                    connection.facts["pings"].append({"time": time.time(), "payload": payload.decode("latin-1")})
                    connection.write(ws.frame(ws.PONG, payload))
                elif opcode == ws.PONG:
                    connection.facts["pongs"].append({"time": time.time(), "payload": payload.decode("latin-1")})
                else:
                    self._take(connection, opcode, payload)
        except ws.ProtocolError as problem:
            how = "protocol"
            self.violation(str(problem), connection.name)
            connection.end("close", 1002, str(problem))
        except (OSError, ValueError):
            how = "cut"
        finally:
            connection.facts.update(closed=time.time(), how=how, by=connection.facts["by"] or "client")
            self.note({"time": time.time(), "api": "ws", "event": "closed", "how": how, "connection": connection.name,
                       "client": connection.client, "close_code": connection.facts["close_code"]})

    def find(self, name):
        """An open connection by its name, or the newest of all, or of an app ("client")."""
        with self.lock:
            for connection in reversed(self.connections):
                if connection.is_open and name in (None, connection.name, connection.client):
                    return connection
        return None

    # -- pushes

    def push(self, order):
        """See dingtalk.py: POST /double/push."""
        data = order.get("data", {})
        with self.lock:
            client = order.get("client") or (data.get("robotCode") if isinstance(data, dict) else None)
            if client not in self.settings["apps"]:
                client = next((each.client for each in reversed(self.connections) if each.is_open), next(iter(self.settings["apps"])))
            delivery = {
                "type": order.get("type", "CALLBACK"), "topic": order.get("topic", BOT_TOPIC), "client": client, "order": order,
                "msgId": data.get("msgId") if isinstance(data, dict) else None, "attempts": [], "acked": None, "waiting": False,
                "pushed": time.time(),
            }
            self.deliveries.append(delivery)
        self._attempt(delivery)
        last = delivery["attempts"][-1] if delivery["attempts"] else {}
        return {"waiting": delivery["waiting"], "messageId": last.get("messageId"), "connection": last.get("connection")}

    def _choose(self, delivery):
        order = delivery["order"]
        with self.lock:
            if order.get("connection") and not delivery["attempts"]:
                return self.find(order["connection"])
            fit = [each for each in self.connections if each.is_open and not each.facts["draining"] and each.client == delivery["client"]
                   and (order.get("force") or each.takes(delivery["type"], delivery["topic"]))]
        return random.choice(fit) if fit else None

    def _flush(self, connection):
        """Sends what waited for a connection of this app."""
        with self.lock:
            waiting = [each for each in self.deliveries if each["waiting"] and each["client"] == connection.client]
            for each in waiting:
                each["waiting"] = False
        for each in waiting:
            self._attempt(each)

    def _attempt(self, delivery):
        with self.lock:
            connection = self._choose(delivery)
            delivery["waiting"] = connection is None
            if connection is None:
                return
            order = delivery["order"]
            is_first = not delivery["attempts"]
            message_id = order.get("messageId") if is_first else None
            attempt = {"messageId": message_id or uuid.uuid4().hex, "connection": connection.name, "time": None, "acked": None}
            delivery["attempts"].append(attempt)
            self.by_message_id[attempt["messageId"]] = (delivery, attempt)
        text = self._frame_text(delivery, attempt["messageId"], connection)
        attempt["time"] = time.time()
        self._send(connection, text, order, is_first)
        redeliver_s = order.get("redeliver_s", self.settings["redeliver_s"])
        if redeliver_s and delivery["type"] != "SYSTEM":
            self.scheduler.after(redeliver_s, lambda: self._redeliver(delivery))

    def _redeliver(self, delivery):
        limit = self.settings["redeliver_max"]
        if delivery["acked"] is None and not delivery["waiting"] and (not limit or len(delivery["attempts"]) <= limit):
            self._attempt(delivery)

    def redeliver_now(self, msg_id):
        """Sends a message again though it may be ACKed, with a new messageId."""
        with self.lock:
            found = [each for each in self.deliveries if each["msgId"] == msg_id]
        for each in found[:1]:
            self._attempt(each)
        return {"ok": bool(found)}

    def _frame_text(self, delivery, message_id, connection):
        order, data = delivery["order"], delivery["order"].get("data", {})
        headers = {"topic": delivery["topic"], "messageId": message_id, "contentType": "application/json", "time": str(int(time.time() * 1000)),
                   "appId": "11110000-aaaa-bbbb-cccc-ddddeeeeffff", "connectionId": connection.name}
        if delivery["type"] == "EVENT":
            headers.update(eventType="robot_msg_read", eventId=uuid.uuid4().hex, eventCorpId="dingcorp", eventBornTime=str(int(time.time() * 1000)),
                           eventUnifiedAppId="22220000-aaaa-bbbb-cccc-ddddeeeeffff")
        headers.update(order.get("headers", {}))
        is_plain = isinstance(data, str) or order.get("data_as_object")
        value = {"specVersion": "1.0", "type": delivery["type"], "headers": headers,
                 "data": data if is_plain else json.dumps(data, ensure_ascii=False)}
        for name in order.get("omit", []):
            value.pop(name, None)
            headers.pop(name, None)
        return json.dumps(value, ensure_ascii=False)

    def _send(self, connection, text, order, is_first):
        payload, opcode = text.encode(), ws.BINARY if order.get("binary") else ws.TEXT
        size = order.get("fragment") or connection.ticket["shape"].get("fragment")
        frames = ws.fragments(opcode, payload, size) if size else [ws.frame(opcode, payload)]
        if order.get("ping_inside"):
            frames[1:1] = [ws.frame(ws.PING, b"inside")]
        data = b"".join(frames)
        if "cut" in order and is_first:
            connection.write(data[:order["cut"]], order.get("piece"), order.get("gap", 0))
            connection.end(order.get("how", "tcp"))
        else:
            connection.write(data, order.get("piece"), order.get("gap", 0))

    def system(self, order):
        """A SYSTEM frame. `disconnect` makes the connection drain and closes it `close_after` seconds later."""
        connection = self.find(order.get("connection") or order.get("client"))
        if connection is None:
            return {"error": "no connection"}
        topic = order.get("topic", "ping")
        data = order.get("data", {"opaque": uuid.uuid4().hex} if topic == "ping" else {"reason": "connection is expired"})
        answer = self.push({**order, "type": "SYSTEM", "topic": topic, "data": data, "connection": connection.name})
        if topic == "disconnect":
            connection.facts["draining"] = True
            self.scheduler.after(order.get("close_after", 10), lambda: connection.end(order.get("how", "tcp")))
        return {**answer, "data": data}

    def raw(self, order):
        """Bytes as they are ("hex" or "base64"), or one frame of the caller's making."""
        connection = self.find(order.get("connection") or order.get("client"))
        if connection is None:
            return {"error": "no connection"}
        if "hex" in order or "base64" in order:
            data = bytes.fromhex(order["hex"]) if "hex" in order else base64.b64decode(order["base64"])
        else:
            payload = order.get("payload", "").encode("utf-8", "surrogateescape")
            data = ws.frame(order.get("opcode", ws.TEXT), payload, order.get("fin", True), order.get("rsv", 0), order.get("masked", False),
                            order.get("declared"), order.get("width"))
        return {"connection": connection.name, "sent": connection.write(data, order.get("piece"), order.get("gap", 0))}

    def deaf(self, order):
        """mode "silent": everything is read and nothing said; "stuck": nothing is even read; null: hears again."""
        connection = self.find(order.get("connection") or order.get("client"))
        if connection is None:
            return {"error": "no connection"}
        mode = order.get("mode", "silent")
        connection.facts["deaf"] = mode
        if mode == "stuck":
            connection.socket.reading.clear()
        else:
            connection.socket.reading.set()
        return {"connection": connection.name}

    def close(self, order):
        connection = self.find(order.get("connection") or order.get("client"))
        if connection is None:
            return {"error": "no connection"}
        connection.end(order.get("how", "tcp"), order.get("code", 1000), order.get("reason", ""))
        return {"connection": connection.name}

    # -- what comes back

    def _take(self, connection, opcode, payload):
        now = time.time()
        try:
            ack = json.loads(payload)
            message_id, code, data = ack["headers"]["messageId"], ack["code"], ack.get("data", "")
        except (ValueError, KeyError, TypeError):
            self.violation("what came is no ACK", payload[:200].decode("utf-8", "replace"))
            return
        for problem in self._problems(opcode, ack):
            self.violation(problem, message_id)
        try:
            inner = json.loads(data) if data else None
        except (ValueError, TypeError):
            inner = None
        with self.lock:
            delivery, attempt = self.by_message_id.get(message_id, (None, None))
            if delivery is None or attempt["connection"] != connection.name:
                self.violation("an ACK for a message that this connection never got", message_id)
                return
            is_late = now - attempt["time"] > CALLBACK_S
            if attempt["acked"] is None:
                attempt.update(acked=now, code=code, data=inner, latency_ms=round((now - attempt["time"]) * 1000, 3))
            else:
                attempt["again"] = attempt.get("again", 0) + 1
            wants_again = isinstance(inner, dict) and inner.get("status") == "LATER"
            if delivery["acked"] is None and not wants_again:
                delivery["acked"] = now
        connection.facts["acks"] += 1
        self.note({"time": now, "api": "ws", "event": "ack", "connection": connection.name, "client": connection.client, "json": ack})
        self._check_answer(delivery, inner, is_late)

    def _problems(self, opcode, ack):
        if opcode != ws.TEXT:
            yield "an ACK is no text message"
        if not isinstance(ack["code"], int):
            yield "an ACK's code is no number"
        if not isinstance(ack.get("data", ""), str):
            yield "an ACK's data is no string"
        if ack["headers"].get("contentType") != "application/json":
            yield "an ACK's contentType is not application/json"

    def _check_answer(self, delivery, inner, is_late):
        data = delivery["order"].get("data", {})
        if delivery["type"] == "SYSTEM" and delivery["topic"] == "ping" and inner != data:
            self.violation("a ping was answered with other data", json.dumps(inner))
        if delivery["topic"] == CARD_TOPIC and isinstance(data, dict):
            response = inner.get("response") if isinstance(inner, dict) else None
            if not isinstance(response, dict):
                self.violation("a card callback was answered without a response", data.get("outTrackId"))
            self.cards.answer_callback(data.get("outTrackId"), response, is_late)

    # -- what a test may look at

    def list_connections(self):
        with self.lock:
            return [dict(each.facts) for each in self.connections]

    def list_deliveries(self):
        with self.lock:
            return [{**{name: value for name, value in each.items() if name != "order"}, "attempts": [dict(one) for one in each["attempts"]]}
                    for each in self.deliveries]

    def list_acks(self):
        """Every first ACK of an attempt, in the order of arrival."""
        with self.lock:
            acks = [{"type": each["type"], "topic": each["topic"], "msgId": each["msgId"], "client": each["client"], **attempt}
                    for each in self.deliveries for attempt in each["attempts"] if attempt["acked"]]
        return sorted(acks, key=lambda ack: ack["acked"])

    def clear(self):
        with self.lock:
            self.scheduler.clear()
            connections = [each for each in self.connections if each.is_open]
            self.connections = []
            self.tickets.clear()
            self.deliveries.clear()
            self.by_message_id.clear()
        for each in connections:
            each.end("tcp")
