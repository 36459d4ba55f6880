"""Messages in: the callback's contract with DingTalk."""
import json
import socket
import subprocess
import threading
import time

import pytest

from harness import message, signed, turns_end, wait_for

SEED = ('{"conversationId":"xxx","atUsers":[{"dingtalkId":"xxx","staffId":"xxx"}],"chatbotCorpId":"dinge8a565xxxx",'
        '"chatbotUserId":"$:LWCP_v1:$Cxxxxx","msgId":"msg0xxxxx","senderNick":"eryajf","isAdmin":true,"senderStaffId":"user123",'
        '"sessionWebhookExpiredTime":1613635652738,"createAt":1613630252678,"senderCorpId":"dinge8a565xxxx","conversationType":"2",'
        '"senderId":"$:LWCP_v1:$Ff09GIxxxxx","conversationTitle":"机器人测试-TEST","isInAtList":true,'
        '"sessionWebhook":"%s/robot/sendBySession?session=xxxxx","text":{"content":" 你好"},"msgtype":"text"}')


def test_the_seed_example_is_answered(bridge, webhook):
    program = bridge()
    assert program.post(SEED % webhook.url) == 200
    text, = webhook.wait_texts(1, "xxxxx")
    assert "回答：你好" in text


def test_acknowledged_before_the_llm_has_said_anything(bridge, webhook, llm):
    program = bridge()
    llm.script({"delay": 2})
    began = time.monotonic()
    assert program.post(message("慢", webhook.url)) == 200
    assert time.monotonic() - began < 1
    assert webhook.wait_texts(1)


def test_acknowledged_within_milliseconds_while_the_llm_hangs(bridge, webhook, llm):
    llm.script({"delay": 60, "times": 100})
    program = bridge(llm_parallel=4, drain_timeout=0)
    times = []
    for number in range(40):
        began = time.monotonic()
        assert program.post(message("慢", webhook.url, senderStaffId=f"u{number % 10}")) == 200
        times.append(time.monotonic() - began)
    assert sorted(times)[20] < 0.1, times


@pytest.mark.parametrize("robot_code", ["dingrobot1", "normal", None])
def test_a_message_that_comes_again_while_it_is_being_answered_is_answered_once(bridge, webhook, llm, robot_code):
    llm.script({"stutter": 0.2, "text": "慢慢地说一句"})
    program = bridge()
    first = message("只答一次", webhook.url, "running", robotCode=robot_code)
    assert program.post(first) == 200
    wait_for(lambda: llm.journal(), "the question at the LLM")
    assert program.post(first) == 200
    assert program.post(message("之后", webhook.url, "running", robotCode=robot_code)) == 200
    assert program.post(first) == 200
    webhook.wait_texts(2, "running")
    turns_end(program)
    texts = webhook.texts("running")
    assert len(texts) == 2 and "慢慢地说一句" in texts[0] and "之后" in texts[1]
    assert len(program.lines("turn answered")) == 2 and len(program.lines("known_already")) == 2


def test_a_message_that_comes_many_times_at_once_is_answered_once(bridge, webhook, llm):
    program = bridge(max_request=5)
    first = message("只答一次", webhook.url, "at-once")
    statuses = []
    threads = [threading.Thread(target=lambda: statuses.append(program.post(first))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 16
    webhook.wait_texts(1, "at-once")
    turns_end(program)
    assert len(webhook.texts("at-once")) == 1 and len(llm.journal()) == 1


def test_a_message_that_comes_again_is_acknowledged_and_not_answered_again(bridge, webhook, llm):
    program = bridge()
    first = message("只答一次", webhook.url, "again")
    assert program.post(first) == 200
    webhook.wait_texts(1, "again")
    assert program.post(first) == 200
    assert program.post(message("之后", webhook.url, "again")) == 200
    webhook.wait_texts(2, "again")
    assert len(webhook.texts("again")) == 2
    assert len([entry for entry in llm.journal() if entry["path"].endswith("/chat/completions")]) == 2


def test_the_same_msg_id_for_two_robots_is_two_messages(bridge, webhook):
    program = bridge()
    for robot in ("robot-a", "robot-b"):
        assert program.post(message("你好", webhook.url, robot, msgId="same-id", robotCode=robot)) == 200
    webhook.wait_texts(1, "robot-a")
    webhook.wait_texts(1, "robot-b")


def test_without_robot_code_the_corp_and_bot_ids_name_the_robot(bridge, webhook):
    program = bridge()
    for robot_code in (None, "normal"):
        for bot in ("bot-1", "bot-2"):
            session = f"{robot_code}-{bot}"
            assert program.post(message("你好", webhook.url, session, msgId="one-id", robotCode=robot_code, chatbotUserId=bot,
                                        atUsers=[{"dingtalkId": bot}])) == 200
    webhook.wait_texts(1, "None-bot-1")
    webhook.wait_texts(1, "None-bot-2")
    program.stop()
    assert len(webhook.delivered()) == 2  # missing and normal are the same robot


def test_signature_is_required_once_a_secret_is_known(bridge, webhook):
    program = bridge(app_secrets=["first-secret", "second-secret"])
    now = int(time.time() * 1000)
    assert program.post(message("a", webhook.url), signed("first-secret")) == 200
    assert program.post(message("b", webhook.url), signed("second-secret")) == 200
    assert program.post(message("c", webhook.url), signed("second-secret", now - 59 * 60 * 1000)) == 200
    assert program.post(message("d", webhook.url)) == 403
    assert program.post(message("e", webhook.url), signed("wrong-secret")) == 403
    assert program.post(message("f", webhook.url), signed("first-secret", now - 61 * 60 * 1000)) == 403
    assert program.post(message("g", webhook.url), signed("first-secret", now + 61 * 60 * 1000)) == 403
    assert program.post(message("h", webhook.url), {"timestamp": "x", "sign": "y"}) == 403
    assert not program.lines("no_signature")
    webhook.wait_texts(3)
    assert "first-secret" not in program.text()


def test_credentials_name_a_secret_too(bridge, webhook):
    program = bridge(credentials=[{"client_id": "dingid", "client_secret": "client-secret-1"}])
    assert program.post(message("a", webhook.url)) == 403
    assert program.post(message("b", webhook.url), signed("client-secret-1")) == 200


def test_without_a_secret_every_start_warns(bridge):
    program = bridge()
    program.wait_line("warn", "no_signature")
    program.stop()
    program.log.clear()
    program.start()
    program.wait_line("warn", "no_signature")


BAD = {
    "not JSON": b"hello",
    "empty array": b"[]",
    "a number": b"42",
    "wrong types": json.dumps(message("x", "https://oapi.dingtalk.com", conversationId=5)).encode(),
    "text is a list": json.dumps(message("x", "https://oapi.dingtalk.com", text=["x"])).encode(),
    "content is a number": json.dumps(message("x", "https://oapi.dingtalk.com", text={"content": 7})).encode(),
    "deep nesting": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "invalid UTF-8": b'{"msgId":"\xff\xfe"}',
    "lone surrogate": b'{"msgId":"\\ud800"}',
    "escaped NUL": b'{"msgId":"a\\u0000b"}',
    "raw NUL": b'{"msgId":"a\x00b"}',
    "no msgId": json.dumps(message("x", "https://oapi.dingtalk.com", msgId=None)).encode(),
    "no conversation": json.dumps(message("x", "https://oapi.dingtalk.com", conversationId=None)).encode(),
    "no sender": json.dumps(message("x", "https://oapi.dingtalk.com", senderId=None, senderStaffId=None)).encode(),
    "no webhook": json.dumps(message("x", "https://oapi.dingtalk.com", sessionWebhook=None)).encode(),
}


@pytest.fixture(scope="module")
def one_program(tmp_path_factory, llm_process, webhook_process):
    from harness import Bridge
    program = Bridge(tmp_path_factory.mktemp("callback") / "run", {
        "api_key": "sk-test-1234567890", "base_url": llm_process.url, "model": "test-model", "port": 0, "listen": "127.0.0.1",
        "webhook_hosts": ["127.0.0.1"]})
    yield program
    program.stop()


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_a_short_json_error_and_one_log_line(one_program, webhook, name):
    seen = len(one_program.lines("refused"))
    status, body, headers = one_program.request("POST", "/", BAD[name], {"Content-Type": "application/json"})
    assert status in (400, 413), body
    assert len(body) < 500 and json.loads(body)["error"]
    wait_for(lambda: len(one_program.lines("refused")) > seen, "the log line")
    session = "after-" + name.replace(" ", "-")
    assert one_program.post(message("还在吗", webhook.url, session)) == 200
    webhook.wait_texts(1, session)
    assert len(one_program.lines("refused")) == seen + 1


def test_a_body_over_one_mebibyte_is_413_with_one_log_line(bridge):
    program = bridge()
    status, body, _ = program.request("POST", "/", b'{"a":"' + b"x" * (1024 * 1024 + 100) + b'"}')
    assert status == 413 and json.loads(body)["error"]
    program.wait_line("refused", "status=413")
    assert program.request("POST", "/", b"[")[0] == 400
    program.wait_line("refused", "status=400")
    assert len(program.lines("refused")) == 2


def test_a_body_of_nearly_one_mebibyte_is_taken(one_program, webhook):
    long = message("", webhook.url, "mebibyte", msgtype="picture", content={"downloadCode": "长" * 300000})
    assert one_program.post(long) == 200
    webhook.wait_texts(1, "mebibyte")


def test_bad_input_does_not_disturb_an_answer_that_is_under_way(one_program, webhook, llm):
    llm.script({"stutter": 0.1, "text": "不受打扰的回答"})
    assert one_program.post(message("问", webhook.url, "undisturbed")) == 200
    wait_for(lambda: llm.journal(), "the question at the LLM")
    for body in BAD.values():
        assert one_program.request("POST", "/", body)[0] in (400, 413)
    assert "不受打扰的回答" in webhook.wait_texts(1, "undisturbed")[0]


WEBHOOKS = ["http://oapi.dingtalk.com.evil.example/x", "https://oapi.dingtalk.com@evil.example/", "https://evil.example\\@127.0.0.1/",
            "https://127.0.0.1@evil.example/", "http://user:pw@127.0.0.1/robot", "ftp://127.0.0.1/", "file:///etc/passwd", "http://127.0.0.1 .evil/",
            "http://localhost/x", "//127.0.0.1/x", "https://oapi.dingtalk.com/robot", "http://127.0.0.1./x", "http://127.1/x", "http://2130706433/x",
            "http://0x7f.0.0.1/x", "http://127.0.0.1%2f@evil.example/", "http://127。0。0。1/x", "http://evil.example#@127.0.0.1/", "http://evil.example?@127.0.0.1/",
            "http://127.0.0.1:0/x", "http://127.0.0.1:99999/x", "http://127.0.0.1:80@evil.example/", "http:127.0.0.1/x", "http:/127.0.0.1/x", "http:///127.0.0.1/x",
            "http://[::ffff:127.0.0.1]/x", "http://127.0.0.1\r\nX: y/x", "http://127.0.0.1;evil/x", "gopher://127.0.0.1/x", " http://127.0.0.1/x"]


@pytest.mark.parametrize("url", WEBHOOKS)
def test_a_webhook_on_another_host_is_refused(one_program, url):
    status, body, _ = one_program.request("POST", "/", json.dumps(message("x", "", sessionWebhook=url)))
    assert status == 400 and json.loads(body)["error"]


def test_by_default_only_dingtalk_over_https_may_be_answered(bridge):
    # Nothing leaves this machine: the way to DingTalk ends at a port where nobody listens.
    program = bridge(webhook_hosts=None, dingtalk_proxy="http://127.0.0.1:1", drain_timeout=0)
    for url, expected in {"https://oapi.dingtalk.com/robot/x": 200, "https://api.dingtalk.com/robot/x": 200, "http://oapi.dingtalk.com/x": 400,
                          "https://oapi.dingtalk.com:8443/x": 400, "https://example.com/x": 400, "https://OAPI.DingTalk.com:443/x": 200,
                          "https://oapi.dingtalk.com./x": 400, "https://oapi.dıngtalk.com/x": 400, "https://evil-oapi.dingtalk.com/x": 400,
                          "https://dingtalk.com/x": 400, "https://x.oapi.dingtalk.com/x": 400, "https://user@oapi.dingtalk.com/x": 400}.items():
        assert program.post(message("单聊", "", sessionWebhook=url)) == expected, url


def test_redirects_of_the_webhook_are_not_followed(bridge, webhook):
    program = bridge()
    webhook.script({"location": f"{webhook.url}/stolen", "times": 10})
    assert program.post(message("单聊", webhook.url)) == 200
    program.wait_line("undelivered")
    assert not [entry for entry in webhook.journal() if "stolen" in entry["path"]]


NOT_TEXT = {
    "picture": {"downloadCode": "abc", "pictureDownloadCode": "def"},
    "richText": {"richText": [{"text": "看这张图"}, {"type": "picture", "downloadCode": "abc"}]},
    "audio": {"duration": 4000, "downloadCode": "abc", "recognition": "你好"},
    "video": {"duration": "4", "videoType": "mp4", "downloadCode": "abc"},
    "file": '{"fileName":"a.pdf","downloadCode":"abc"}',
    "unknownMsgType": None,
}


@pytest.mark.parametrize("kind", NOT_TEXT)
def test_a_message_that_is_not_text_gets_a_friendly_word(one_program, webhook, llm, kind):
    assert one_program.post(message("", webhook.url, kind, msgtype=kind, text=None, content=NOT_TEXT[kind])) == 200
    assert "文字" in webhook.wait_texts(1, kind)[0]
    assert not llm.journal()


def test_a_quota_frame_is_logged(bridge, webhook):
    program = bridge()
    assert program.post(message("", webhook.url, text=None, errorCode=20001, errorMessage="quota used up")) == 200
    assert "20001" in program.wait_line("warn", "quota")
    assert program.post(message("之后", webhook.url, "later")) == 200
    webhook.wait_texts(1, "later")


def test_an_outgoing_robot_works(bridge, webhook):
    program = bridge()
    outgoing = message("你好", webhook.url, "out", robotCode="normal", senderStaffId=None, senderNick="李四")
    assert program.post(outgoing) == 200
    text, = webhook.wait_texts(1, "out")
    assert "@李四" in text and "回答：你好" in text
    assert not webhook.delivered()[0]["json"]["at"].get("atUserIds")


def test_a_store_that_cannot_write_answers_503_and_recovers(bridge, webhook):
    program = bridge()
    assert program.post(message("第一个", webhook.url, "full")) == 200
    webhook.wait_texts(1, "full")
    limit = ["prlimit", "--pid", str(program.process.pid), "--fsize="]
    subprocess.run([limit[0], limit[1], limit[2], "--fsize=0:unlimited"], check=True)
    refused = message("写不进去", webhook.url, "full")
    assert program.post(refused) == 503
    program.wait_line("error", "not_stored")
    subprocess.run([limit[0], limit[1], limit[2], "--fsize=unlimited:unlimited"], check=True)
    assert program.post(refused) == 200
    webhook.wait_texts(2, "full")


def test_half_a_request_disturbs_nobody(bridge, webhook):
    program = bridge()
    with socket.create_connection(("127.0.0.1", program.port)) as half:
        half.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert program.post(message("你好", webhook.url, "half")) == 200
        webhook.wait_texts(1, "half")


def test_health_and_metrics_and_unknown_paths(bridge, webhook):
    program = bridge()
    status, body, _ = program.request("GET", "/")
    assert status == 200 and json.loads(body)["status"] == "ok"
    assert program.post(message("你好", webhook.url, "m")) == 200
    webhook.wait_texts(1, "m")
    program.wait_line("turn answered")
    status, body, _ = program.request("GET", "/metrics")
    assert status == 200 and b"dingbridge_messages_received_total 1\n" in body and b"dingbridge_turns_answered_total 1\n" in body
    assert program.request("GET", "/nothing")[0] == 404
    assert program.request("POST", "/metrics")[0] == 405
