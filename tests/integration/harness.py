"""Starts the real program and the doubles, and talks to them as DingTalk would. Nothing here sleeps for luck: everything waits for a condition."""
import base64
import hashlib
import hmac
import http.client
import itertools
import json
import os
import pathlib
import re
import signal
import ssl
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("DINGBRIDGE_BINARY", str(ROOT / "build" / "dingbridge"))
DEADLINE_S = 20
# The second run of ./test, with sanitizers, does a part of what takes long.
IS_SHORT = os.environ.get("DINGBRIDGE_TEST_SHORT") == "1"
SANITIZER_REPORT = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|UndefinedBehaviorSanitizer|Assertion .* failed")
_serial = itertools.count(1)


def wait_for(condition, what, timeout_s=DEADLINE_S):
    """The first true value of condition(); fails when there is none in time."""
    began = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        waited = time.monotonic() - began
        assert waited < timeout_s, f"waited {timeout_s} s in vain for {what}"
        # Looking costs the program's own processor: it is looked often at first, and never adds more than a tenth.
        time.sleep(min(max(waited / 10, 0.005), 0.1))


def certificate(directory):
    """A self-signed certificate for 127.0.0.1: (the file a double takes with --cert, the file of who trusts it)."""
    key, cert, both = (pathlib.Path(directory) / name for name in ("key.pem", "cert.pem", "both.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=double",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], check=True, stderr=subprocess.DEVNULL)
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    return both, cert


class Double:
    """One of the programs under tests/doubles."""

    def __init__(self, name, *options):
        self.process = subprocess.Popen([sys.executable, str(ROOT / "tests" / "doubles" / f"{name}.py"), *options],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        word, port = self.process.stdout.readline().split()
        assert word == "ready"
        self.port = int(port)
        self.is_tls = "--cert" in options
        self.url = f"{'https' if self.is_tls else 'http'}://127.0.0.1:{self.port}"

    def call(self, method, path, value=None):
        if self.is_tls:
            # Our own steering: who the double is shows in what others make of its certificate.
            context = ssl._create_unverified_context()
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=DEADLINE_S, context=context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        connection.request(method, path, json.dumps(value) if value is not None else None, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    def script(self, *behaviours):
        self.call("POST", "/double/script", list(behaviours))

    def journal(self):
        return self.call("GET", "/double/journal")

    def reset(self):
        self.call("DELETE", "/double/journal")

    def stop(self):
        self.process.stdin.close()
        self.process.wait(DEADLINE_S)
        self.process.stdout.close()


class ProxyDouble(Double):
    """Prints what it was asked for instead of keeping a journal."""

    def __init__(self, *options):
        super().__init__("proxy", *options)
        self.asked = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.asked.append(json.loads(line))

    def stop(self):
        self.process.stdin.close()
        self.process.wait(DEADLINE_S)
        self.reader.join()
        self.process.stdout.close()


# The secret of the programs whose messages are signed, and what makes a message one of a private chat.
SECRET = "app-secret-0001"
PRIVATE = {"conversationType": "1", "conversationId": "cid-private", "conversationTitle": None}

# A card template of the operator's own: its variable is "content", and no flowStatus.
CUSTOM = {"card_template_id": "8aebdfb9-28f4-4a98-98f5-396c3dde41a0.schema"}


def metrics(program):
    return program.request("GET", "/metrics")[1].decode()


def turns_end(program, timeout_s=DEADLINE_S):
    wait_for(lambda: "dingbridge_turns_open 0\n" in metrics(program), "all turns to end", timeout_s)


def said(entry):
    """The text of a message that reached the webhook double."""
    message = entry["json"]
    return message["markdown"]["text"] if message["msgtype"] == "markdown" else message["text"]["content"]


class Webhook(Double):
    def __init__(self):
        super().__init__("webhook")

    def delivered(self):
        return [entry for entry in self.journal() if entry["outcome"] == "delivered"]

    def texts(self, session=None):
        return [said(entry) for entry in self.delivered() if session is None or entry["path"].endswith(f"session={session}")]

    def wait_texts(self, count, session=None):
        return wait_for(lambda: (lambda texts: texts if len(texts) >= count else None)(self.texts(session)),
                        f"{count} messages at the webhook")


class Gateway(Double):
    """DingTalk in stream mode; see tests/doubles/dingtalk.py for what it can be told."""

    APP, SECRET = "dingrobot1", "secret-of-dingrobot1"

    def __init__(self, *options):
        super().__init__("dingtalk", *options)

    def keys(self, *apps, **more):
        """The configuration of a program that talks to this gateway."""
        apps = apps or (self.APP,)
        return {"run_mode": "stream", "credentials": [{"client_id": app, "client_secret": f"secret-of-{app}"} for app in apps],
                "dingtalk_api_url": self.url, "dingtalk_oapi_url": self.url, **more}

    def settings(self, **changes):
        self.call("PUT", "/double/settings", changes)

    def show(self, what):
        return self.call("GET", f"/double/{what}")

    def tell(self, verb, **order):
        return self.call("POST", f"/double/{verb}", order)

    # What DingTalk does.

    def push(self, data, **options):
        """A robot message (harness.message) or whatever `type` and `topic` make of it; gives {messageId, connection, waiting}."""
        return self.tell("push", data=data, **options)

    def say(self, text="你好", session="s1", **changes):
        """Somebody writes to the robot; gives the message."""
        value = message(text, self.url, session, **{"robotCode": self.APP, **changes})
        self.push(value)
        return value

    def press(self, card, action, user="user123", params=None, **options):
        """Somebody presses a button of a card."""
        content = json.dumps({"cardPrivateData": {"actionIds": [action], "params": params or {"action": action}}}, ensure_ascii=False)
        return self.push({"type": "actionCallback", "outTrackId": card["outTrackId"], "corpId": "dingcorp", "userId": user, "userIdType": 1,
                          "spaceType": "IM", "spaceId": card["spaceId"], "extension": "{}", "content": content},
                         topic="/v1.0/card/instances/callback", client=card["client"], **options)

    def event(self, data, **options):
        return self.push(data, type="EVENT", topic="*", **options)

    def ping(self, **options):
        return self.tell("system", topic="ping", **options)

    def disconnect(self, **options):
        return self.tell("system", topic="disconnect", **options)

    # What came of it.

    def calls(self, api):
        """The journal's entries of one API."""
        return [entry for entry in self.journal() if entry["api"] == api]

    def connections(self, only_open=True):
        return [each for each in self.show("connections") if not only_open or each["closed"] is None]

    def acks(self, **fields):
        """First ACKs in their order; only those with these values (msgId=…, topic=…, messageId=…)."""
        return [ack for ack in self.show("acks") if all(ack[name] == value for name, value in fields.items())]

    def deliveries(self):
        return self.show("deliveries")

    def cards(self):
        return self.show("cards")

    def sent(self, session=None, via=None):
        """What reached people, in order."""
        return [each for each in self.show("sent") if session in (None, each.get("session")) and via in (None, each["via"])]

    def texts(self, session=None, via=None):
        return [each["text"] for each in self.sent(session, via)]

    def uploads(self):
        return self.show("uploads")

    def counts(self):
        return self.show("counts")

    def violations(self):
        return self.show("violations")

    def wait_connected(self, count=1, timeout_s=DEADLINE_S):
        return wait_for(lambda: (lambda found: found if len(found) >= count else None)(self.connections()), f"{count} connections", timeout_s)

    def wait_ack(self, timeout_s=DEADLINE_S, **fields):
        return wait_for(lambda: self.acks(**fields), f"an ACK with {fields}", timeout_s)[0]

    def wait_texts(self, count=1, session=None, via=None, timeout_s=DEADLINE_S):
        return wait_for(lambda: (lambda texts: texts if len(texts) >= count else None)(self.texts(session, via)), f"{count} messages", timeout_s)

    def wait_card(self, state="完成", index=0, timeout_s=DEADLINE_S):
        """The card of that index as soon as it is in that state."""
        return wait_for(lambda: (lambda cards: cards[index] if len(cards) > index and cards[index]["state"] == state else None)(self.cards()),
                        f"a card that is {state}", timeout_s)


class Bridge:
    """The program under test, in a directory of its own."""

    def __init__(self, directory, config, environment=None, files=None, arguments=("serve",), expect_ready=True):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(exist_ok=True)
        if config:
            name = "config.yml" if isinstance(config, str) else "config.json"
            text = config if isinstance(config, str) else json.dumps(config, ensure_ascii=False, indent=1)
            (self.directory / name).write_text(text)
        for name, text in (files or {}).items():
            (self.directory / name).write_text(text)
        # Nobody but doubles is trusted, by the tests that say so: reading the system's certificates takes longer than the rest of a start.
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(self.directory), "LANG": "C.UTF-8", "SSL_CERT_FILE": "/dev/null",
                            "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1",
                            **(environment or {})}
        self.arguments = arguments
        self.process = None
        self.port = None
        self.log = []
        self.start(expect_ready)

    def start(self, expect_ready=True):
        self.port = None
        self.process = subprocess.Popen([BINARY, *self.arguments], cwd=self.directory, env=self.environment,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        errors="backslashreplace")
        self.reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self.reader.start()
        if expect_ready:
            wait_for(lambda: self.port or self.process.poll() is not None, "the program to be ready")
            assert self.port, "the program ended:\n" + self.text()

    def _read(self, process):
        for line in process.stdout:
            self.log.append(line)
            ready = re.search(r" app ready .*port=(\d+)", line)
            if ready:
                self.port = int(ready.group(1))

    def text(self):
        return "".join(self.log)

    def lines(self, *parts):
        return [line for line in list(self.log) if all(part in line for part in parts)]

    def wait_line(self, *parts):
        return wait_for(lambda: self.lines(*parts), f"a log line with {parts}")[0]

    def request(self, method, path, body=None, headers=None, timeout_s=DEADLINE_S):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read(), {name.lower(): value for name, value in response.getheaders()}
        finally:
            connection.close()

    def post(self, message, headers=None):
        body = message if isinstance(message, (bytes, str)) else json.dumps(message, ensure_ascii=False)
        if isinstance(body, str):
            body = body.encode()
        status, _, _ = self.request("POST", "/", body, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})
        return status

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(DEADLINE_S)
        self.reader.join()

    def wait_end(self, timeout_s=DEADLINE_S):
        code = self.process.wait(timeout_s)
        self.reader.join()
        return code

    def stop(self, expect=0):
        """SIGTERM and a clean end; whatever a sanitizer said fails the test."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.wait_end()
        report = SANITIZER_REPORT.search(self.text())
        assert not report, self.text()
        assert code == expect, f"exit {code}:\n{self.text()}"


def message(text="你好", /, webhook="", session="s1", **changes):
    """A robot message as DingTalk sends it; None takes a field away."""
    serial = next(_serial)
    value = {
        "conversationId": "cid-1", "conversationType": "2", "conversationTitle": "机器人测试-TEST",
        "atUsers": [{"dingtalkId": "$:LWCP_v1:$robot"}], "isInAtList": True,
        "chatbotCorpId": "dingcorp", "chatbotUserId": "$:LWCP_v1:$robot", "robotCode": "dingrobot1",
        "msgId": f"msg-{os.getpid()}-{serial}", "msgtype": "text", "text": {"content": text},
        "senderId": "$:LWCP_v1:$sender", "senderStaffId": "user123", "senderNick": "张三", "senderCorpId": "dingcorp",
        "isAdmin": False, "createAt": int(time.time() * 1000),
        "sessionWebhook": f"{webhook}/robot/sendBySession?session={session}",
        "sessionWebhookExpiredTime": int(time.time() * 1000) + 5400000,
    }
    value.update(changes)
    return {key: item for key, item in value.items() if item is not None}


def signed(secret, timestamp_ms=None):
    timestamp = str(timestamp_ms if timestamp_ms is not None else int(time.time() * 1000))
    mac = hmac.new(secret.encode(), f"{timestamp}\n{secret}".encode(), hashlib.sha256).digest()
    return {"timestamp": timestamp, "sign": base64.b64encode(mac).decode()}
