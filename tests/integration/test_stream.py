"""Stream mode: messages without a public address, and what the connection survives."""
import time

import pytest

from harness import message, signed, turns_end, wait_for


@pytest.fixture
def streaming(bridge, gateway, llm):
    """A function that starts the program in stream mode and waits until its robots are connected."""
    def start(*apps, wait=True, **keys):
        program = bridge(**gateway.keys(*apps, **{"stream_ping_interval": 2, **keys}))
        if wait:
            gateway.wait_connected(max(1, len(apps)))
        return program
    return start


def test_a_question_is_answered_without_any_callback(streaming, gateway):
    program = streaming()
    asked = gateway.say("你好")
    assert "回答：你好" in gateway.wait_texts(1)[0]
    assert gateway.acks(msgId=asked["msgId"])
    assert program.request("GET", "/")[0] == 200
    assert b"dingbridge_stream_connections_up 1\n" in program.request("GET", "/metrics")[1]
    assert gateway.violations() == []


def test_messages_are_acknowledged_in_milliseconds_whatever_the_model_does(streaming, gateway, llm):
    streaming(drain_timeout=0)
    llm.script({"delay": 30, "times": 50})
    asked = [gateway.say(f"第{number}问", senderStaffId=f"u{number}") for number in range(20)]
    acks = [wait_for(lambda: gateway.acks(msgId=each["msgId"]), "the ack")[0] for each in asked]
    assert max(ack["latency_ms"] for ack in acks) < 1000
    assert sorted(ack["latency_ms"] for ack in acks)[len(acks) // 2] < 200


def test_a_message_that_comes_again_with_a_new_frame_is_answered_once(streaming, gateway):
    program = streaming()
    asked = gateway.say("一次")
    gateway.wait_texts(1)
    gateway.tell("redeliver", msgId=asked["msgId"])
    program.wait_line("turn known_already")
    wait_for(lambda: all(each["acked"] for each in gateway.deliveries()[0]["attempts"]), "both to be acknowledged")
    assert len(gateway.texts()) == 1


@pytest.mark.parametrize("shape", [{"fragment": 7}, {"binary": True}, {"data_as_object": True}, {"piece": 1, "gap": 0}, {"fragment": 100, "ping_inside": True}])
def test_frames_of_every_shape_are_read(streaming, gateway, shape):
    streaming()
    gateway.push(message("形状", gateway.url, "shape", robotCode=gateway.APP), **shape)
    assert "回答：形状" in gateway.wait_texts(1, "shape")[0]


def test_junk_is_dropped_and_the_connection_lives_on(streaming, gateway):
    program = streaming()
    for payload in ("not json", "[]", "{}", '{"type":"CALLBACK","headers":{"topic":"/v1.0/im/bot/messages/get","messageId":"x"},"data":"{"}',
                    '{"type":"WHAT","headers":{"topic":"?","messageId":"y"},"data":"{}"}'):
        gateway.tell("raw", payload=payload)
    gateway.say("还在吗")
    assert "还在吗" in gateway.wait_texts(1)[0]
    assert len(program.lines("stream frame_dropped")) >= 4 and len(gateway.connections(only_open=False)) == 1


def test_pings_of_the_system_are_echoed(streaming, gateway):
    streaming()
    gateway.ping()
    wait_for(lambda: gateway.acks(topic="ping"), "the echo")


def test_a_connection_that_is_about_to_end_is_replaced_before_it_does(streaming, gateway, llm):
    streaming()
    llm.script({"delay": 1})
    gateway.say("换线前")
    gateway.disconnect(close_after=3)
    wait_for(lambda: len(gateway.connections()) == 2, "the new connection beside the old one")
    gateway.say("换线后")
    assert len(gateway.wait_texts(2)) == 2
    wait_for(lambda: len(gateway.connections()) == 1, "the old one to be gone")


@pytest.mark.parametrize("how", ["tcp", "reset", "close"])
def test_a_connection_that_breaks_is_made_anew(streaming, gateway, how):
    gateway.settings(redeliver_s=1)  # what went down with the old connection comes again
    program = streaming()
    gateway.tell("close", how=how)
    program.wait_line("stream connection_lost")
    gateway.say("断线以后")
    assert "断线以后" in gateway.wait_texts(1)[0]


def test_a_deaf_connection_is_given_up_after_two_intervals(streaming, gateway):
    program = streaming(stream_ping_interval=1)
    gateway.tell("deaf", mode="silent")
    started = time.monotonic()
    program.wait_line("stream connection_lost", "timeout")
    assert time.monotonic() - started < 6
    gateway.tell("deaf", mode=None)
    gateway.say("又听见了")
    assert "又听见了" in gateway.wait_texts(1)[0]


def test_a_refused_secret_is_told_and_waits_while_other_robots_live(bridge, gateway):
    keys = gateway.keys("dingrobot1", "dingrobot2")
    keys["credentials"][1]["client_secret"] = "wrong-secret-000"
    program = bridge(**keys)
    line = program.wait_line("stream credentials_refused", "client_id=dingrobot2")
    rest_ms = int(line.split("again_in_ms=")[1].split()[0])
    assert rest_ms >= 60000 and "wrong-secret" not in program.text()
    gateway.wait_connected(1)
    gateway.say("活着")
    assert "活着" in gateway.wait_texts(1)[0]
    assert len([each for each in gateway.calls("open") if each["json"]["clientId"] == "dingrobot2"]) == 1


@pytest.mark.parametrize("fault", [{"refuse": 503}, {"html": True}, {"cut": "before"}, {"answer": {"endpoint": "http://127.0.0.1:1/x", "ticket": "t"}},
                                   {"answer": {"endpoint": "", "ticket": ""}}])
def test_a_gateway_in_trouble_is_asked_again_with_patience(streaming, gateway, fault):
    gateway.script({"api": "open", "times": 2, **fault})
    streaming()
    times = [each["time"] for each in gateway.calls("open")]
    assert len(times) == 3 and times[1] - times[0] > 0.7 and times[2] - times[1] > 1.5


def test_a_refused_upgrade_costs_a_new_ticket_and_patience(streaming, gateway):
    gateway.script({"api": "connect", "times": 2, "refuse": 401})
    streaming()
    assert len(gateway.calls("open")) == 3


def test_what_could_not_be_stored_is_not_acknowledged(streaming, gateway, llm):
    program = streaming(max_pending=1)
    llm.script({"delay": 2})
    first = gateway.say("占着")
    wait_for(lambda: gateway.acks(msgId=first["msgId"]), "the first ack")
    second = gateway.say("等着", redeliver_s=None)
    program.wait_line("stream not_stored")
    assert not gateway.acks(msgId=second["msgId"])
    gateway.wait_texts(1)
    turns_end(program)
    gateway.tell("redeliver", msgId=second["msgId"])
    assert "等着" in gateway.wait_texts(2)[1]


def test_through_proxies(bridge, gateway, proxy):
    for scheme in ("http", "socks5h"):
        gateway.reset()
        double = proxy("--user", "name:pass%40word".replace("%40", "@"))
        program = bridge(**gateway.keys(dingtalk_proxy=f"{scheme}://name:pass%40word@127.0.0.1:{double.port}"))
        gateway.wait_connected(1)
        gateway.say("绕路")
        assert "绕路" in gateway.wait_texts(1)[0]
        assert len(double.asked) >= 2 and all(each["ok"] for each in double.asked)
        program.stop()


def test_sigterm_takes_nothing_new_and_finishes_what_runs(streaming, gateway, llm):
    program = streaming()
    llm.script({"stutter": 0.1, "text": "说完再走" * 5})
    asked = gateway.say("问")
    wait_for(lambda: gateway.acks(msgId=asked["msgId"]), "the ack")
    wait_for(lambda: llm.journal(), "the question at the LLM")
    program.process.terminate()
    wait_for(lambda: not gateway.connections(), "the connection to be closed")
    assert "说完再走" in gateway.wait_texts(1)[0]
    assert program.wait_end() == 0


def test_killed_and_started_again_every_acknowledged_message_is_answered_once(streaming, gateway, llm):
    program = streaming()
    llm.script({"delay": 1, "times": 30})
    asked = [gateway.say(f"第{number}问", session=f"k{number}", senderStaffId=f"u{number}") for number in range(10)]
    for each in asked:
        wait_for(lambda: gateway.acks(msgId=each["msgId"]), "the ack")
    program.kill()
    program.start()
    gateway.wait_connected(1)
    for number in range(10):
        assert f"第{number}问" in gateway.wait_texts(1, f"k{number}")[0]
    turns_end(program)
    assert len(gateway.texts()) == 10


def test_a_connection_that_is_replaced_again_while_the_first_one_drains_is_one_connection_in_the_end(streaming, gateway):
    program = streaming()
    for number in range(2):
        gateway.disconnect(close_after=4)
        wait_for(lambda: len(gateway.connections(only_open=False)) == number + 2, "another connection")
        wait_for(lambda: b"dingbridge_stream_connections_up 1\n" in program.request("GET", "/metrics")[1], "it to be up")
    wait_for(lambda: len(gateway.connections()) == 1, "the old ones to be gone")
    gateway.disconnect(close_after=1)
    wait_for(lambda: len(gateway.connections(only_open=False)) == 4, "the fourth connection")
    wait_for(lambda: len(gateway.connections()) == 1, "the third one to be gone")
    assert not program.lines("stream connection_lost") and len(gateway.calls("open")) == 4
    gateway.say("还在")
    assert "还在" in gateway.wait_texts(1)[0]


def test_what_comes_on_the_old_connection_is_acknowledged_there(streaming, gateway):
    program = streaming()
    old, = gateway.connections()
    gateway.disconnect(close_after=5)
    wait_for(lambda: len(gateway.connections()) == 2, "the new connection")
    asked = message("旧线上", gateway.url, "old", robotCode=gateway.APP)
    gateway.push(asked, connection=old["id"], force=True)
    ack = gateway.wait_ack(msgId=asked["msgId"])
    assert ack["connection"] == old["id"]
    assert "旧线上" in gateway.wait_texts(1, "old")[0]
    assert not program.lines("stream not_acknowledged")


def test_gateways_that_end_every_connection_at_once_are_asked_with_patience(streaming, gateway):
    gateway.script({"api": "connect", "times": 99, "first": [{"type": "SYSTEM", "topic": "disconnect", "data": {"reason": "no"}, "force": True}]})
    program = streaming(wait=False)
    wait_for(lambda: len(gateway.calls("open")) >= 3, "three tries")
    times = [each["time"] for each in gateway.calls("open")]
    assert times[1] - times[0] > 0.7 and times[2] - times[1] > 1.5
    program.process.terminate()
    assert program.wait_end() == 0


def test_callbacks_are_answered_beside_the_stream(streaming, gateway):
    program = streaming()
    assert program.post(message("网页来的", gateway.url, "http"), signed(gateway.SECRET)) == 200
    gateway.say("长连接来的", session="stream")
    assert "网页来的" in gateway.wait_texts(1, "http")[0] and "长连接来的" in gateway.wait_texts(1, "stream")[0]
    assert program.post(message("没有签名", gateway.url, "bad")) in (401, 403)


def test_robots_named_in_the_environment_are_connected(bridge, gateway):
    keys = gateway.keys("dingrobot1", "dingrobot2")
    del keys["credentials"]
    bridge(environment={"DINGTALK_CREDENTIALS": "dingrobot1:secret-of-dingrobot1,dingrobot2:secret-of-dingrobot2"}, **keys)
    gateway.wait_connected(2)
    gateway.say("第二个机器人", robotCode="dingrobot2")
    assert "第二个机器人" in gateway.wait_texts(1)[0]


@pytest.mark.parametrize("size", [200_000, 900_000])
def test_large_frames_in_many_fragments_are_read(streaming, gateway, size):
    streaming(max_question_len=None)
    gateway.push(message("大" * (size // 3), gateway.url, "large", robotCode=gateway.APP), fragment=4096)
    assert gateway.wait_texts(1, "large")
