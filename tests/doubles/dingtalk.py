"""A double of DingTalk's servers for stream mode: gateway, WebSocket, tokens, media, messages, cards and session webhooks on one port.

Steering, besides base.py's script and journal (all JSON, all under /double/):
    PUT  settings      changes some of SETTINGS below; DELETE journal restores them and forgets everything, connections included
    POST push          one order or a list: {data, type "CALLBACK", topic (robot messages), client (by data.robotCode), connection (one of
                       that id), headers, messageId, force (although nobody subscribed), redeliver_s (0: never)}; and how it goes out:
                       {fragment (bytes a frame), piece (bytes a write), gap (seconds between writes), ping_inside (a control PING between
                       the fragments), binary, cut (only so many bytes, then the connection ends as `how`: tcp, reset or close),
                       data_as_object, omit (names of fields)}. Without a connection it waits for one. What is not ACKed in
                       redeliver_s comes again with another headers.messageId.
    POST redeliver     {msgId}: again at once, ACKed or not
    POST system        {topic "ping" | "disconnect" | any, data, connection | client, close_after (10 s), how}
    POST raw           {hex | base64} as they are, or one frame {opcode, payload, fin, rsv, masked, declared, width}; {piece, gap}
    POST deaf          {mode "silent" | "stuck" | null}: TCP stays open; no pong, no data (stuck: not even read)
    POST close         {how "tcp" | "reset" | "close", code, reason}
                       The last four speak to {connection: id}, {client: id}, or the newest connection.
    POST invalidate    {client}: its tokens are void from now on (all without a client)
    POST expire        {session}: this session webhook is gone (errcode 300001); "*" for all
    POST file?code=C   the body is what messages/files with downloadCode C hold
    GET  connections, deliveries, acks, cards, sent, uploads, counts, violations; media/ID (the bytes of an upload)
         violations: every rule that a client broke, whether it was refused for it or not
         sent: what reached people, in order: {via webhook | oto | group, text, title, session | users | conversation, ...}

Names for `api` in a script: open, connect, token, gettoken, upload, create (createAndDeliver), create_only, deliver, streaming, instances,
oto, group, webhook, download, file. A scripted behaviour may say:
    delay              seconds before it is looked at;      delay_after   seconds before the answer of a call that counted
    stall              seconds of silence, then the end of the connection
    status, body, content_type   a plain answer;            html          a page of HTML with `status` (502)
    code, message      a refusal of the new API (status 400)
    errcode, errmsg    a refusal of the old API
    refuse             for open: 400, 401, 403 or 503 as the gateway says it; for connect: the HTTP status
    qps                "too many calls", as this API says it
    invalid_token      as if the token were void
    cut                "before": the connection ends before the call counts; "after": it counts, but nobody hears so
    cut_at             the answer's first bytes only, so many of them
    deliver_fails      a text: the card is made, but deliverResults[].success is false
    invalid_users, controlled_users   lists for oto's answer
    location           for webhook: a redirect
    answer             changes in the answer of a call that counts (a map)
and for connect, which makes the connection behave so as long as it lives:
    fragment, piece, gap    as for a push;    deaf   from the start;    bad_accept   a wrong Sec-WebSocket-Accept
    first              a list of push orders whose frames leave in the same write as the 101
"""
import copy
import json
import sys
import threading
import time
import urllib.parse
import uuid

import base
import gateway_cards
import gateway_rules as rules
import gateway_stream
import webhook
import websocket_server as ws
from gateway_rules import Refused

SETTINGS = {
    "apps": {"dingrobot1": "secret-of-dingrobot1", "dingrobot2": "secret-of-dingrobot2"},  # clientId: clientSecret
    "ticket_s": 90,
    "ticket_suffix": "",       # added to every ticket: what must be URL-encoded shows here
    "endpoint": None,          # instead of our own ws://…/connect
    "ping_s": 0,               # a SYSTEM ping every so many seconds; 0: none by itself
    "redeliver_s": 60,         # what is not ACKed comes again after so many seconds; 0: never
    "redeliver_max": 3,        # so many times; 0: without end
    "token_s": 7200,
    "qps": {},                 # api: calls a second and app that are allowed; "*" for every one without its own number
    "quota": 0,                # metered OpenAPI calls in all that are allowed; 0: no limit
    "webhook_per_minute": 0,   # messages a minute and session that are allowed; 0: no limit
    "templates": gateway_cards.TEMPLATES,
    "card_chars_max": 0,       # longer content is "too large"; 0: no limit
    "unknown_users": [],       # userIds that oto's answer calls invalid
}

APIS = {
    ("POST", "/v1.0/gateway/connections/open"): "open",
    ("GET", "/connect"): "connect",
    ("POST", "/v1.0/oauth2/accessToken"): "token",
    ("GET", "/gettoken"): "gettoken",
    ("POST", "/media/upload"): "upload",
    ("POST", "/v1.0/card/instances/createAndDeliver"): "create",
    ("POST", "/v1.0/card/instances"): "create_only",
    ("POST", "/v1.0/card/instances/deliver"): "deliver",
    ("PUT", "/v1.0/card/streaming"): "streaming",
    ("PUT", "/v1.0/card/instances"): "instances",
    ("POST", "/v1.0/robot/oToMessages/batchSend"): "oto",
    ("POST", "/v1.0/robot/groupMessages/send"): "group",
    ("POST", "/robot/sendBySession"): "webhook",
    ("POST", "/v1.0/robot/messageFiles/download"): "download",
}
METERED = {"create", "create_only", "deliver", "streaming", "instances", "oto", "group", "download"}
OLD = {"gettoken", "upload", "webhook"}
OPEN_REFUSALS = {
    400: {"code": "param.error", "message": "the robot is not published or its delivery mode is not Stream"},
    401: {"code": "authFailed", "message": "鉴权失败"},
    403: {"code": "Forbidden.AccessDenied.IpNotInWhiteList", "message": "访问ip不在白名单之中"},
    503: None,
}


class World(base.State):
    """Everything that DingTalk knows."""

    def __init__(self):
        super().__init__()
        self.settings = copy.deepcopy(SETTINGS)
        self.violations = []
        self.cards = gateway_cards.Cards(self.settings, self.violation)
        self.stream = gateway_stream.Stream(self.settings, self.note, self.violation, self.cards)
        self.tokens = {}    # token: {client, expires}
        self.calls = {}     # (client, api): times within the last second
        self.metered = 0
        self.expired = set()
        self.sessions = {}  # session: times of its messages
        self.sent = []
        self.uploads = {}
        self.files = {}

    def violation(self, what, detail=None):
        with self.lock:
            self.violations.append({"time": time.time(), "what": what, "detail": detail})

    def clear(self):
        self.stream.clear()
        self.cards.clear()
        with self.lock:
            self.settings.update(copy.deepcopy(SETTINGS))
            self.metered = 0
            for held in (self.journal, self.script, self.violations, self.tokens, self.calls, self.expired, self.sessions, self.sent,
                         self.uploads, self.files):
                held.clear()

    def token_for(self, client, secret, is_old):
        rules.require(self.settings["apps"].get(client) == secret and secret is not None, 40089 if is_old else "invalidClientIdOrSecret",
                      "无效的clientId或clientSecret", is_violation=False)
        now = time.monotonic()
        with self.lock:
            token = next((name for name, facts in self.tokens.items() if facts["client"] == client and facts["expires"] > now), None)
            token = token or uuid.uuid4().hex
            self.tokens[token] = {"client": client, "expires": now + self.settings["token_s"]}
            return token

    def client_of(self, token, is_old):
        with self.lock:
            facts = self.tokens.get(token)
        rules.require(facts and facts["expires"] > time.monotonic(), 40014 if is_old else "InvalidAuthentication", "不合法的access_token",
                      is_violation=not token)
        return facts["client"]

    def invalidate(self, client):
        with self.lock:
            for token in [name for name, facts in self.tokens.items() if client in (None, facts["client"])]:
                del self.tokens[token]

    def check_limits(self, client, api):
        now = time.monotonic()
        with self.lock:
            limit = self.settings["qps"].get(api, self.settings["qps"].get("*"))
            recent = [at for at in self.calls.get((client, api), []) if at > now - 1]
            if limit is not None and len(recent) >= limit:
                raise too_many(api)
            self.calls[(client, api)] = recent + [now]
            if api in METERED:
                self.metered += 1
                rules.require(not self.settings["quota"] or self.metered <= self.settings["quota"],
                              "Forbidden.AccessDenied.ApiCountLimitForOrg", "本月调用量已用完", status=403, is_violation=False)

    def check_session(self, session):
        with self.lock:
            gone = session in self.expired or "*" in self.expired
            rules.require(not gone, 300001, "session 不存在", is_violation=False)
            now = time.monotonic()
            recent = [at for at in self.sessions.get(session, []) if at > now - 60]
            limit = self.settings["webhook_per_minute"]
            self.sessions[session] = recent + [now]
            rules.require(not limit or len(recent) < limit, 130101, "send too fast, exceed 20 times per minute", is_violation=False)

    def counts(self):
        """api: {calls, ok, clients: {client: calls}}"""
        counts = {}
        with self.lock:
            for entry in self.journal:
                if entry.get("method"):
                    count = counts.setdefault(entry["api"] or entry["path"], {"calls": 0, "ok": 0, "clients": {}})
                    count["calls"] += 1
                    count["ok"] += entry["outcome"] == "ok"
                    count["clients"][entry["client"]] = count["clients"].get(entry["client"], 0) + 1
        return counts


def too_many(api):
    if api in OLD:
        return Refused(130101 if api == "webhook" else 90018, "send too fast", is_violation=False)
    return Refused("Forbidden.AccessDenied.QpsLimitForAppkeyAndApi", "qps limit", status=403, is_violation=False)


class DingTalk(base.Handler):
    # -- steering

    def control(self, body):
        world = self.state
        verb, _, query = self.path[len("/double/"):].partition("?")
        order = json.loads(body) if body and verb not in ("script", "file") else {}
        stream = world.stream
        doing = {
            "push": lambda: [stream.push(each) for each in order] if isinstance(order, list) else stream.push(order),
            "redeliver": lambda: stream.redeliver_now(order["msgId"]),
            "system": lambda: stream.system(order),
            "raw": lambda: stream.raw(order),
            "deaf": lambda: stream.deaf(order),
            "close": lambda: stream.close(order),
            "invalidate": lambda: world.invalidate(order.get("client")),
            "expire": lambda: world.expired.add(order["session"]),
            "file": lambda: world.files.update({urllib.parse.parse_qs(query)["code"][0]: body}),
        }
        showing = {
            "connections": stream.list_connections, "deliveries": stream.list_deliveries, "acks": stream.list_acks,
            "cards": world.cards.list, "counts": world.counts, "sent": lambda: list(world.sent),
            "uploads": lambda: [facts for facts, _ in world.uploads.values()], "violations": lambda: list(world.violations),
        }
        if self.command == "POST" and verb in doing:
            answer = doing[verb]()
            self.send_json(200, {"ok": True} if answer is None else answer)
        elif self.command == "GET" and verb in showing:
            self.send_json(200, showing[verb]())
        elif self.command == "PUT" and verb == "settings" and set(order) <= set(SETTINGS):
            world.settings.update(order)
            self.send_json(200, {"ok": True})
        elif self.command == "GET" and verb.startswith("media/"):
            self.send_plain(200, world.uploads[urllib.parse.unquote(verb[len("media/"):])][1], "application/octet-stream")
        elif self.command == "DELETE" and verb == "journal":
            world.clear()
            self.send_json(200, {"ok": True})
        else:
            super().control(body)

    # -- answering

    def answer(self, body):
        self.url = urllib.parse.urlsplit(self.path)
        self.query = {name: values[0] for name, values in urllib.parse.parse_qs(self.url.query, keep_blank_values=True).items()}
        api = "file" if self.url.path.startswith("/files/") else APIS.get((self.command, self.url.path))
        entry = {**self.entry(body), "api": api, "client": None, "outcome": "refused", "refused": None, "answer": None}
        if api == "upload":
            entry["json"] = None
        self.state.note(entry)
        if api is None:
            self.state.violation("no such call", f"{self.command} {self.path}")
            self.say(entry, 404, {"code": "InvalidAction.NotFound", "message": "Specified api is not found"}, {})
            return
        behaviour = self.state.next_behaviour(api, body)
        if behaviour.get("delay"):
            self.stall(behaviour["delay"])
        if self.misbehave(entry, behaviour):
            return
        try:
            if behaviour.get("qps"):
                raise too_many(api)
            if behaviour.get("invalid_token"):
                raise Refused(40014 if api in OLD else "InvalidAuthentication", "不合法的access_token", is_violation=False)
            value = getattr(self, "call_" + api)(entry, body, behaviour)
        except Refused as refused:
            self.refuse(entry, refused, behaviour)
            return
        if value is None:
            return  # has been answered
        entry["outcome"] = "ok"
        if behaviour.get("delay_after"):
            self.stall(behaviour["delay_after"])
        if behaviour.get("cut") == "after":
            self.cut()
        else:
            self.say(entry, 200, {**value, **behaviour.get("answer", {})}, behaviour)

    def misbehave(self, entry, behaviour):
        """What is scripted instead of a real answer; false when there is nothing."""
        if "stall" in behaviour:
            self.stall(behaviour["stall"])
            self.cut()
        elif behaviour.get("cut") == "before":
            self.cut()
        elif behaviour.get("html"):
            entry["outcome"] = "scripted"
            self.send_plain(behaviour.get("status", 502), "<html><body><h1>502 Bad Gateway</h1></body></html>", "text/html")
        elif "location" in behaviour:
            self.send_plain(302, "", headers=[("Location", behaviour["location"])])
        elif "refuse" in behaviour:
            value = OPEN_REFUSALS[behaviour["refuse"]] if entry["api"] == "open" else {"code": "authFailed", "message": "ticket"}
            self.say(entry, behaviour["refuse"], value and {**value, "requestid": uuid.uuid4().hex.upper()}, behaviour)
        elif "code" in behaviour:
            refused = Refused(behaviour["code"], behaviour.get("message", "scripted"), behaviour.get("status", 400), is_violation=False)
            self.refuse(entry, refused, behaviour)
        elif "errcode" in behaviour:
            self.refuse(entry, Refused(behaviour["errcode"], behaviour.get("errmsg", "scripted"), is_violation=False), behaviour)
        elif "status" in behaviour or "body" in behaviour:
            body = behaviour.get("body", "")
            self.send_plain(behaviour.get("status", 200), body, behaviour.get("content_type", "application/json"))
        else:
            return False
        return True

    def refuse(self, entry, refused, behaviour):
        entry["refused"] = refused.code
        if refused.is_violation:
            self.state.violation(f"{entry['api']} was refused: {refused.code}", refused.message)
        if isinstance(refused.code, int):
            self.say(entry, 200, {"errcode": refused.code, "errmsg": refused.message, "request_id": uuid.uuid4().hex}, behaviour)
        else:
            value = {"code": refused.code, "message": refused.message or refused.code, "requestid": uuid.uuid4().hex.upper(), **refused.more}
            self.say(entry, refused.status, value, behaviour)

    def say(self, entry, status, value, behaviour):
        entry["answer"] = value
        if "cut_at" not in behaviour:
            self.send_plain(status, "" if value is None else json.dumps(value, ensure_ascii=False))
            return
        body = json.dumps(value, ensure_ascii=False).encode()
        head = f"HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        self.wfile.write((head + body)[:behaviour["cut_at"]])
        self.cut()

    def asked(self, entry):
        rules.require(isinstance(entry["json"], dict), "param.invalid", "the body is no JSON object")
        rules.require("json" in self.headers.get("Content-Type", ""), "param.invalid", "Content-Type is not application/json")
        return entry["json"]

    def authorized(self, entry):
        """The app whose token the call carries, within its limits."""
        is_old = entry["api"] in OLD
        token = self.query.get("access_token") if is_old else self.headers.get("x-acs-dingtalk-access-token")
        entry["client"] = self.state.client_of(token, is_old)
        self.state.check_limits(entry["client"], entry["api"])
        return entry["client"]

    # -- the stream's gateway

    def call_open(self, entry, body, behaviour):
        asked = self.asked(entry)
        client = entry["client"] = asked.get("clientId")
        if asked.get("clientSecret") is None or self.state.settings["apps"].get(client) != asked["clientSecret"]:
            raise Refused("authFailed", "鉴权失败", 401, is_violation=False)
        if "json" not in self.headers.get("Accept", ""):
            self.state.violation("open: without Accept: application/json the answer may be XML")
        subscriptions = asked.get("subscriptions")
        rules.require(isinstance(subscriptions, list) and subscriptions, "param.error", "no subscriptions")
        for each in subscriptions:
            rules.require(isinstance(each, dict) and each.get("type") in ("EVENT", "CALLBACK", "SYSTEM") and rules.is_text(each.get("topic")),
                          "param.error", "a subscription is {type, topic}")
            rules.require(each["type"] != "EVENT" or each["topic"] == "*", "param.error", "EVENT takes only the topic *")
        scheme = "wss" if self.scheme == "https" else "ws"
        endpoint = self.state.settings["endpoint"] or f"{scheme}://{self.headers['Host']}/connect"
        return {"endpoint": endpoint, "ticket": self.state.stream.issue(client, subscriptions, asked.get("ua"))}

    def call_connect(self, entry, body, behaviour):
        problem = ws.refusal_of_upgrade(self.headers)
        rules.require(problem is None, "handshake", problem)
        ticket = self.state.stream.redeem(self.query.get("ticket"))
        rules.require(ticket, "authFailed", "the ticket is unknown, used or too old", status=401)
        entry.update(client=ticket["client"], outcome="ok")
        ticket["shape"] = {name: behaviour[name] for name in ("fragment", "piece", "gap") if name in behaviour}
        key = "wrong" if behaviour.get("bad_accept") else self.headers["Sec-WebSocket-Key"]
        head = ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {ws.accept_key(key)}\r\n\r\n").encode()
        self.wfile.flush()
        self.close_connection = True
        if "cut_at" in behaviour:
            ws.Socket(self.connection, self.rfile).write(head[:behaviour["cut_at"]])
            self.cut()
            return None
        # Who has read the 101 finds the connection among the others: it leaves when all is ready, with what was pushed meanwhile.
        sock = HeldSocket(self.connection, self.rfile)
        sock.write(head)
        connection = self.state.stream.connect(ticket, sock, dict(self.headers.items()))
        for order in behaviour.get("first", []):
            self.state.stream.push({**order, "connection": connection.name})
        sock.release(behaviour.get("piece"), behaviour.get("gap", 0))
        if behaviour.get("deaf"):
            connection.facts["deaf"] = "silent"
        self.state.stream.serve(connection)
        return None

    # -- tokens

    def call_token(self, entry, body, behaviour):
        asked = self.asked(entry)
        entry["client"] = asked.get("appKey")
        return {"accessToken": self.state.token_for(asked.get("appKey"), asked.get("appSecret"), False),
                "expireIn": self.state.settings["token_s"]}

    def call_gettoken(self, entry, body, behaviour):
        entry["client"] = self.query.get("appkey")
        token = self.state.token_for(self.query.get("appkey"), self.query.get("appsecret"), True)
        return {"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": self.state.settings["token_s"]}

    # -- media and files

    def call_upload(self, entry, body, behaviour):
        client = self.authorized(entry)
        facts, content = rules.check_media(self.query, self.headers.get("Content-Type"), body)
        media_id = f"@lAD{uuid.uuid4().hex[:20]}"
        with self.state.lock:
            self.state.uploads[media_id] = ({"media_id": media_id, "client": client, **facts}, content)
        return {"errcode": 0, "errmsg": "ok", "type": facts["type"], "media_id": media_id, "created_at": int(time.time() * 1000)}

    def call_download(self, entry, body, behaviour):
        client, asked = self.authorized(entry), self.asked(entry)
        rules.check_robot(asked, client)
        rules.require(asked.get("downloadCode") in self.state.files, "invalidParameter.robotCode.downloadCode")
        return {"downloadUrl": f"{self.scheme}://{self.headers['Host']}/files/{urllib.parse.quote(asked['downloadCode'], safe='')}?Signature=x"}

    def call_file(self, entry, body, behaviour):
        content = self.state.files.get(urllib.parse.unquote(self.url.path[len("/files/"):]))
        if "x-acs-dingtalk-access-token" in self.headers:
            self.state.violation("a token was sent to a download address")
        entry["outcome"] = "refused" if content is None else "ok"
        self.send_plain(404 if content is None else 200, content or b"", "application/octet-stream")

    # -- messages

    def deliver(self, via, text, title, **more):
        with self.state.lock:
            self.state.sent.append({"time": time.time(), "via": via, "text": text, "title": title, **more})

    def call_oto(self, entry, body, behaviour):
        client, asked = self.authorized(entry), self.asked(entry)
        rules.check_robot(asked, client)
        users, param = rules.check_users(asked), rules.check_message(asked)
        unknown = self.state.settings["unknown_users"] + behaviour.get("invalid_users", [])
        invalid = [user for user in users if user in unknown or rules.is_opaque(user)]
        controlled = [user for user in users if user in behaviour.get("controlled_users", [])]
        reached = [user for user in users if user not in invalid + controlled]
        if reached:
            self.deliver("oto", param.get("text", param.get("content")), param.get("title"), users=reached, client=client,
                         msgKey=asked["msgKey"], param=param)
        return {"processQueryKey": f"pqk-{uuid.uuid4().hex}", "invalidStaffIdList": invalid, "flowControlledStaffIdList": controlled}

    def call_group(self, entry, body, behaviour):
        client, asked = self.authorized(entry), self.asked(entry)
        rules.check_robot(asked, client)
        rules.check_conversation(asked.get("openConversationId"))
        param = rules.check_message(asked)
        self.deliver("group", param.get("text", param.get("content")), param.get("title"), conversation=asked["openConversationId"],
                     client=client, msgKey=asked["msgKey"], param=param)
        return {"processQueryKey": f"pqk-{uuid.uuid4().hex}"}

    def call_webhook(self, entry, body, behaviour):
        session = self.query.get("session")
        rules.require("json" in self.headers.get("Content-Type", ""), 43004, "无效的HTTP HEADER Content-Type")
        rules.require(len(body) <= webhook.BODY_BYTES_MAX, 460101, "message too long, exceed 20000 bytes")
        text = webhook.text_of(entry["json"])
        rules.require(text is not None, 40035, "不合法的参数")
        self.state.check_session(session)
        title = (entry["json"].get("markdown") or {}).get("title")
        self.deliver("webhook", text, title, session=session, msgtype=entry["json"]["msgtype"], at=entry["json"].get("at"))
        return {"errcode": 0, "errmsg": "ok"}

    # -- cards

    def card_call(self, entry, call, *more):
        client = self.authorized(entry)
        return call(self.asked(entry), client, *more)

    def call_create(self, entry, body, behaviour):
        return self.card_call(entry, self.state.cards.create_and_deliver, behaviour.get("deliver_fails"))

    def call_create_only(self, entry, body, behaviour):
        card = self.card_call(entry, self.state.cards.create)
        return {"success": True, "result": card["outTrackId"]}

    def call_deliver(self, entry, body, behaviour):
        return self.card_call(entry, self.state.cards.deliver, behaviour.get("deliver_fails"))

    def call_streaming(self, entry, body, behaviour):
        return self.card_call(entry, self.state.cards.streaming)

    def call_instances(self, entry, body, behaviour):
        return self.card_call(entry, self.state.cards.instances)


class HeldSocket(ws.Socket):
    """Keeps what is written until it is released, and then writes it at once: head and frames share a segment."""

    def __init__(self, connection, reader):
        super().__init__(connection, reader)
        self.held = b""
        self.is_held = True
        self.guard = threading.Lock()

    def write(self, data, piece=None, gap=0):
        with self.guard:
            if self.is_held:
                self.held += data
                return
        super().write(data, piece, gap)

    def release(self, piece=None, gap=0):
        with self.guard:
            super().write(self.held, piece, gap)
            self.is_held = False


if __name__ == "__main__":
    sys.exit(base.serve(DingTalk, __doc__, World))
