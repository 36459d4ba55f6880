"""Our double of DingTalk is worth its name: the official Stream SDK lives with it, and what DingTalk refuses it refuses."""
import http.client
import json
import os
import pathlib
import signal
import subprocess
import threading

import pytest

from harness import DEADLINE_S, ROOT, Gateway, certificate, message, wait_for

PYTHON = pathlib.Path(os.environ.get("DINGBRIDGE_TEST_PYTHON", ROOT / "build-venv" / "bin" / "python"))
THIRD_PARTY = ROOT / "tests" / "third_party"
NODE_SDK = THIRD_PARTY / "node_modules" / "dingtalk-stream"
AI_CARD = "382e4302-551d-4880-bf29-a30acfab2e71.schema"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 32


class Robot:
    """tests/third_party/stream_robot.py or .mjs: an official SDK in a process of its own."""

    def __init__(self, gateway, secret=Gateway.SECRET, language="py", trusts=None):
        needed = PYTHON if language == "py" else NODE_SDK
        assert needed.exists(), f"{needed} is missing: the official Stream SDK is not installed; ./test does it"
        environment = {**os.environ, "DINGTALK_OPENAPI_ENDPOINT": gateway.url, "NO_PROXY": "127.0.0.1"}
        if trusts:
            environment.update(REQUESTS_CA_BUNDLE=str(trusts), SSL_CERT_FILE=str(trusts))
        self.process = subprocess.Popen([PYTHON if language == "py" else "node", THIRD_PARTY / f"stream_robot.{language}", Gateway.APP, secret,
                                         gateway.url], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines, self.heard = [], []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)
            if line.startswith('{"kind"'):
                self.heard.append(json.loads(line))

    def wait(self, kind, count=1):
        return wait_for(lambda: (lambda found: found if len(found) >= count else None)([each for each in self.heard if each["kind"] == kind]),
                        f"{count} × {kind} at the SDK; it said:\n{''.join(self.lines)}")

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(DEADLINE_S)
        self.reader.join()
        self.process.stdout.close()


@pytest.fixture
def robot(gateway):
    program = Robot(gateway)
    gateway.wait_connected()
    yield program
    program.stop()


def test_the_sdk_opens_with_a_ticket_and_connects(gateway, robot):
    opened, = gateway.calls("open")
    assert opened["json"]["clientId"] == Gateway.APP and opened["answer"]["ticket"] in gateway.calls("connect")[0]["path"]
    connection, = gateway.connections()
    assert {each["topic"] for each in connection["subscriptions"]} == {"*", "/v1.0/im/bot/messages/get", "/v1.0/card/instances/callback"}
    assert gateway.violations() == []


def test_the_sdk_hears_a_message_and_acknowledges_it(gateway, robot):
    said = gateway.say("你好 😀", senderNick="小明")
    ack = gateway.wait_ack(msgId=said["msgId"])
    assert ack["code"] == 200 and ack["data"] == {"response": "OK"}
    heard, = robot.wait("message")
    assert heard["text"] == "你好 😀" and heard["nick"] == "小明" and heard["messageId"] == ack["messageId"]
    assert gateway.violations() == []


@pytest.mark.parametrize("shape", [{"fragment": 1}, {"fragment": 7, "ping_inside": True}, {"piece": 1}, {"binary": True}, {"fragment": 100, "piece": 33}])
def test_the_sdk_hears_a_message_of_any_shape(gateway, robot, shape):
    said = message("形状", gateway.url)
    gateway.push(said, **shape)
    gateway.wait_ack(msgId=said["msgId"])
    assert robot.wait("message")[0]["text"] == "形状"
    if "ping_inside" in shape:
        wait_for(lambda: gateway.connections()[0]["pongs"], "a pong")
        assert gateway.connections()[0]["pongs"][0]["payload"] == "inside"
    assert gateway.violations() == []


def test_a_megabyte_in_one_frame_reaches_the_sdk(gateway, robot):
    said = gateway.say("长" * 300000)
    gateway.wait_ack(msgId=said["msgId"])
    assert len(robot.wait("message")[0]["text"]) == 300000


def test_the_sdk_echoes_a_ping(gateway, robot):
    sent = gateway.ping()
    assert gateway.wait_ack(messageId=sent["messageId"])["data"] == sent["data"]
    assert gateway.violations() == []


def test_the_sdk_answers_a_control_ping(gateway, robot):
    gateway.tell("raw", opcode=9, payload="abc")
    wait_for(lambda: gateway.connections()[0]["pongs"], "a pong")
    assert gateway.connections()[0]["pongs"][0]["payload"] == "abc"


def test_the_sdk_acknowledges_an_event(gateway, robot):
    sent = gateway.event({"unionId": "u1", "operatTime": 1760000000000})
    assert gateway.wait_ack(messageId=sent["messageId"])["data"]["unionId"] == "u1"
    assert robot.wait("event")[0] == {"kind": "event", "data": {"unionId": "u1", "operatTime": 1760000000000}, "type": "robot_msg_read"}


def test_nothing_is_pushed_that_the_sdk_did_not_subscribe_to(gateway, robot):
    assert gateway.push({"x": 1}, topic="/v1.0/graph/api/invoke")["waiting"]
    sent = gateway.push({"x": 1}, topic="/v1.0/graph/api/invoke", force=True)
    assert not sent["waiting"] and gateway.ping()
    gateway.wait_ack(topic="ping")
    assert gateway.acks(messageId=sent["messageId"]) == []


def test_after_disconnect_the_sdk_comes_back_with_a_new_ticket(gateway, robot):
    first, = gateway.connections()
    gateway.disconnect(close_after=10)
    said = gateway.say("之后")
    ack = gateway.wait_ack(msgId=said["msgId"])
    assert ack["connection"] != first["id"], "nothing is pushed on a connection that is to end"
    one, two = (entry["answer"]["ticket"] for entry in gateway.calls("open"))
    assert one != two
    closed = gateway.connections(only_open=False)[0]
    assert (closed["how"], closed["by"], closed["close_code"]) == ("close", "client", 1000)


def test_a_message_without_an_ack_comes_again_with_another_frame_id(gateway, robot):
    gateway.settings(redeliver_s=0.2)
    gateway.tell("deaf")
    said = gateway.say("再来")
    wait_for(lambda: len(gateway.deliveries()[0]["attempts"]) >= 2, "a second attempt")
    gateway.tell("deaf", mode=None)
    ack = gateway.wait_ack(msgId=said["msgId"])
    attempts = gateway.deliveries()[0]["attempts"]
    assert len({each["messageId"] for each in attempts}) == len(attempts) and ack["messageId"] != attempts[0]["messageId"]
    assert robot.wait("message")[0]["msgId"] == said["msgId"]


def test_the_sdk_answers_through_the_session_webhook(gateway, robot):
    gateway.say("text 好的", session="one")
    gateway.say("markdown **粗**", session="two", conversationType="1")
    assert gateway.wait_texts(1, "one") == ["好的"] and gateway.wait_texts(1, "two") == ["**粗**"]
    assert gateway.sent("one")[0]["at"] == {"atUserIds": ["user123"]}
    assert gateway.violations() == []


@pytest.mark.parametrize("kind, space", [("2", ("IM_GROUP", "cid-1")), ("1", ("IM_ROBOT", "user123"))])
def test_the_sdk_types_into_its_ai_card(gateway, robot, kind, space):
    gateway.say("card 一步一步地说", conversationType=kind)
    card_id = robot.wait("card")[0]["outTrackId"]
    card = gateway.wait_card("完成")
    assert (card["outTrackId"], card["template"], (card["space"], card["spaceId"])) == (card_id, AI_CARD, space)
    assert card["texts"] == ["一步一", "一步一步地说"] and card["text"] == "一步一步地说" and card["delivered"]
    assert [step["state"] for step in card["history"]] == ["处理中", "输入中", "输入中", "输入中", "完成"]
    assert gateway.counts()["token"]["calls"] == 1 and gateway.counts()["streaming"]["ok"] == 2
    assert gateway.violations() == []


def test_the_sdk_ends_a_card_as_failed(gateway, robot):
    gateway.say("fail")
    gateway.wait_card("失败")


def test_the_sdk_answers_a_press_on_its_card(gateway, robot):
    gateway.say("card 按一下")
    robot.wait("card")
    card = gateway.wait_card("完成")
    sent = gateway.press(card, "btn_stop")
    ack = gateway.wait_ack(messageId=sent["messageId"])
    assert ack["data"]["response"]["cardData"] == {"cardParamMap": {"msgTitle": "已停止"}}
    pressed, = robot.wait("button")
    assert pressed["content"]["cardPrivateData"]["actionIds"] == ["btn_stop"] and pressed["user"] == "user123"
    wait_for(lambda: gateway.cards()[0]["variables"].get("msgTitle") == "已停止", "the card to change")
    assert gateway.violations() == []


def test_the_sdk_sends_its_markdown_card(gateway, robot):
    gateway.say("plain 一张卡")
    card = wait_for(gateway.cards, "a card")[0]
    assert card["text"] == "一张卡" and gateway.violations() == []


def test_the_sdk_uploads_a_picture(gateway, robot):
    gateway.say("upload", session="up")
    text, = gateway.wait_texts(1, "up")
    upload, = gateway.uploads()
    assert text == upload["media_id"] and text.startswith("@lAD") and upload["format"] == "png" and upload["filename"] == "image.png"
    assert gateway.violations() == []


@pytest.mark.long
def test_the_sdk_takes_a_new_connection_after_the_old_one_was_cut(gateway):
    # The first frame on the first connection ends in the middle; the SDK waits 10 s before its next try.
    program = Robot(gateway)
    try:
        gateway.wait_connected()
        said = message("断", gateway.url)
        gateway.settings(redeliver_s=0.2)
        gateway.push(said, cut=30, how="tcp")
        ack = gateway.wait_ack(msgId=said["msgId"])
        assert ack["connection"] == gateway.connections()[0]["id"] and len(gateway.calls("open")) == 2
    finally:
        program.stop()


def test_the_sdk_lives_with_the_double_over_tls(tmp_path):
    both, cert = certificate(tmp_path)
    gateway = Gateway("--cert", str(both))
    program = Robot(gateway, trusts=cert)
    try:
        gateway.wait_connected()
        gateway.say("card 加密了")
        assert gateway.wait_card("完成")["text"] == "加密了"
        gateway.say("text 是的", session="tls")
        assert gateway.wait_texts(1, "tls") == ["是的"] and gateway.violations() == []
    finally:
        program.stop()
        gateway.stop()


def test_the_sdk_is_refused_with_a_wrong_secret(gateway):
    program = Robot(gateway, "wrong")
    try:
        refused = wait_for(lambda: [entry for entry in gateway.calls("open") if entry["refused"]], "a refusal")[0]
        assert refused["refused"] == "authFailed" and gateway.connections() == []
        wait_for(lambda: "鉴权失败" in "".join(program.lines), "the SDK's complaint")
    finally:
        program.stop()


# -- The same with the SDK for Node, which takes some things differently.

node_only = pytest.mark.skipif(not NODE_SDK.exists(), reason="the Stream SDK for Node is not installed; ./test does it where Node is new enough")


@pytest.fixture
def node_robot(gateway):
    program = Robot(gateway, language="mjs")
    gateway.wait_connected()
    yield program
    program.stop()


@node_only
def test_the_node_sdk_hears_answers_and_acknowledges_a_message(gateway, node_robot):
    said = gateway.say("你好 😀", session="node")
    ack = gateway.wait_ack(msgId=said["msgId"])
    assert ack["data"] == {"response": {"errcode": 0, "errmsg": "ok"}}
    assert gateway.texts("node") == ["收到：你好 😀"] and node_robot.wait("message")[0]["messageId"] == ack["messageId"]
    assert gateway.counts()["gettoken"]["ok"] == 1 and gateway.violations() == []


@node_only
@pytest.mark.parametrize("shape", [{"fragment": 1, "ping_inside": True}, {"piece": 1}, {"binary": True}])
def test_the_node_sdk_hears_a_message_of_any_shape(gateway, node_robot, shape):
    said = message("形状", gateway.url)
    gateway.push(said, **shape)
    gateway.wait_ack(msgId=said["msgId"])
    assert node_robot.wait("message")[0]["text"] == "形状" and gateway.violations() == []


@node_only
def test_the_node_sdk_acknowledges_pings_events_and_presses(gateway, node_robot):
    ping = gateway.ping()
    assert gateway.wait_ack(messageId=ping["messageId"])["data"] == ping["data"]
    event = gateway.event({"unionId": "u1"})
    assert gateway.wait_ack(messageId=event["messageId"])["data"] == {"status": "SUCCESS", "message": "done"}
    press = gateway.press({"outTrackId": "card-1", "spaceId": "cid-1", "client": Gateway.APP}, "btn_stop")
    assert gateway.wait_ack(messageId=press["messageId"])["data"] == {"response": {"cardData": {"cardParamMap": {"a": "1"}}}}
    assert node_robot.wait("button")[0]["outTrackId"] == "card-1"
    wait_for(lambda: gateway.connections()[0]["pings"], "its own pings")
    assert gateway.violations() == []


@node_only
def test_after_disconnect_the_node_sdk_comes_back_when_the_old_connection_has_ended(gateway, node_robot):
    gateway.disconnect(close_after=0.2)
    said = gateway.say("之后")
    assert gateway.wait_ack(msgId=said["msgId"])["connection"] != gateway.connections(only_open=False)[0]["id"]
    assert len({entry["answer"]["ticket"] for entry in gateway.calls("open")}) == 2


@node_only
def test_the_node_sdk_leaves_a_connection_that_has_gone_deaf(gateway, node_robot):
    gateway.tell("deaf")
    wait_for(lambda: len(gateway.connections(only_open=False)) == 2, "a second connection")
    first = gateway.connections(only_open=False)[0]
    assert first["closed"] and first["by"] == "client"


# -- What DingTalk refuses: plain calls, as any client may make them.

class Caller:
    def __init__(self, gateway):
        self.gateway = gateway
        self.token = self.call("POST", "/v1.0/oauth2/accessToken", {"appKey": Gateway.APP, "appSecret": Gateway.SECRET})[1]["accessToken"]

    def call(self, method, path, value=None, headers=None):
        headers = {"Content-Type": "application/json", "x-acs-dingtalk-access-token": getattr(self, "token", ""), **(headers or {})}
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=DEADLINE_S)
        connection.request(method, path, value if isinstance(value, bytes) else json.dumps(value), headers)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, json.loads(body)

    def create(self, **changes):
        body = {"cardTemplateId": AI_CARD, "outTrackId": "card-1", "callbackType": "STREAM", "cardData": {"cardParamMap": {"flowStatus": "1"}},
                "openSpaceId": "dtv1.card//IM_GROUP.cid-1", "imGroupOpenSpaceModel": {"supportForward": True},
                "imGroupOpenDeliverModel": {"robotCode": Gateway.APP}}
        body.update(changes)
        return self.call("POST", "/v1.0/card/instances/createAndDeliver", {key: value for key, value in body.items() if value is not None})

    def stream(self, **changes):
        body = {"outTrackId": "card-1", "guid": "g1", "key": "msgContent", "content": "一", "isFull": True, "isFinalize": False, "isError": False}
        body.update(changes)
        return self.call("PUT", "/v1.0/card/streaming", {key: value for key, value in body.items() if value is not None})

    def upload(self, content, filename="a.png", name="media", kind="image"):
        body = (f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: image/png\r\n\r\n'.encode()
                + content + b"\r\n--b--\r\n")
        return self.call("POST", f"/media/upload?access_token={self.token}&type={kind}", body, {"Content-Type": "multipart/form-data; boundary=b"})


@pytest.fixture
def caller(gateway):
    return Caller(gateway)


@pytest.mark.parametrize("changes, code", [
    ({"outTrackId": ""}, "param.outTrackIdEmpty"),
    ({"cardTemplateId": None}, "param.cardTemplateIdEmpty"),
    ({"cardTemplateId": "nobody.schema"}, "param.templateNotExist"),
    ({"cardData": None}, "param.cardPublicDataEmpty"),
    ({"cardData": {"cardParamMap": {"flowStatus": 1}}}, "param.invalid"),
    ({"cardData": {"cardParamMap": {"sys_full_json_obj": "{"}}}, "param.invalid"),
    ({"openSpaceId": ""}, "param.openSpaceIdEmpty"),
    ({"openSpaceId": "IM_GROUP.cid-1"}, "param.openSpaceIdInvalid"),
    ({"openSpaceId": "dtv1.card//IM_GROUP.cid%2D1"}, "param.openSpaceIdInvalid"),
    ({"openSpaceId": "dtv1.card//IM_ROBOT.user1"}, "param.openSpaceModelInvalid"),
    ({"imGroupOpenDeliverModel": None}, "param.openDeliverModelEmpty"),
    ({"imGroupOpenDeliverModel": {}}, "param.openDeliverModelError"),
    ({"imGroupOpenDeliverModel": {"robotCode": "dingrobot2"}}, "param.openDeliverModelError"),
    ({"openSpaceId": "dtv1.card//IM_ROBOT.user1", "imRobotOpenSpaceModel": {}, "imRobotOpenDeliverModel": {"spaceType": "IM_GROUP"}},
     "param.openDeliverModelError"),
    ({"openSpaceId": "dtv1.card//IM_ROBOT.$:LWCP_v1:$x", "imRobotOpenSpaceModel": {}, "imRobotOpenDeliverModel": {"spaceType": "IM_ROBOT"}},
     "param.userIdNotExist"),
])
def test_a_wrong_card_is_not_created(gateway, caller, changes, code):
    status, answer = caller.create(**changes)
    assert (status, answer["code"]) == (400, code) and gateway.cards() == []
    assert code in gateway.violations()[0]["what"]


def test_a_card_is_created_once(caller):
    assert caller.create()[1]["result"]["deliverResults"][0]["success"]
    assert caller.create()[1]["code"] == "param.cardAlreadyExist"


@pytest.mark.parametrize("changes, status, code", [
    ({"outTrackId": "other"}, 400, "param.stream.outTrackId"),
    ({"guid": None}, 400, "param.stream.guidEmpty"),
    ({"key": None}, 400, "param.stream.keyEmpty"),
    ({"key": "content"}, 500, "unknownError"),
    ({"content": ""}, 400, "param.stream.contentEmpty"),
    ({"isFull": None}, 400, "param.stream.isFull"),
])
def test_a_wrong_update_is_refused(caller, changes, status, code):
    caller.create()
    got, answer = caller.stream(**changes)
    assert (got, answer["code"]) == (status, code)


def test_a_guid_counts_once_and_the_end_is_the_end(gateway, caller):
    caller.create()
    assert caller.stream(guid="1", content="一")[0] == 200
    assert caller.stream(guid="1", content="一")[0] == 200 and gateway.violations() == []
    caller.stream(guid="1", content="二")
    caller.stream(guid="2", content="完", isFinalize=True)
    caller.stream(guid="3", content="还有")
    card, = gateway.cards()
    assert card["text"] == "完" and card["finalized"] and card["texts"] == ["一", "完"]
    assert [each["what"] for each in gateway.violations()] == ["a guid was used again for another content", "a card was streamed into after its end"]


@pytest.mark.parametrize("template, key, states", [
    (AI_CARD, "msgContent", ["处理中", "处理中", "输入中", "输入中", "输入中", "完成"]),
    ("8aebdfb9-28f4-4a98-98f5-396c3dde41a0.schema", "content", ["处理中", "输入中", "输入中", "输入中", "完成", "完成"]),
])
def test_a_card_goes_through_its_states_as_its_template_has_it(gateway, caller, template, key, states):
    def flow(status):
        caller.call("PUT", "/v1.0/card/instances", {"outTrackId": "card-1", "cardData": {"cardParamMap": {"flowStatus": status}},
                                                    "cardUpdateOptions": {"updateCardDataByKey": True}})

    caller.create(cardTemplateId=template)
    caller.stream(guid="1", key=key)
    flow("2")
    caller.stream(guid="2", key=key, content="一二")
    caller.stream(guid="3", key=key, content="一二三", isFinalize=True)
    flow("3")
    assert [step["state"] for step in gateway.cards()[0]["history"]] == states
    assert gateway.cards()[0]["text"] == "一二三" and gateway.violations() == []


def test_a_streamed_error_is_a_failure(gateway, caller):
    caller.create()
    caller.stream(isError=True)
    assert gateway.cards()[0]["state"] == "失败"


def test_an_update_replaces_all_variables_unless_it_says_by_key(gateway, caller):
    caller.create(cardData={"cardParamMap": {"flowStatus": "1", "msgTitle": "题"}})
    update = {"outTrackId": "card-1", "cardData": {"cardParamMap": {"flowStatus": "2"}}}
    caller.call("PUT", "/v1.0/card/instances", {**update, "cardUpdateOptions": {"updateCardDataByKey": True}})
    assert gateway.cards()[0]["variables"] == {"flowStatus": "2", "msgTitle": "题"}
    caller.call("PUT", "/v1.0/card/instances", update)
    assert gateway.cards()[0]["variables"] == {"flowStatus": "2"}
    assert caller.call("PUT", "/v1.0/card/instances", {"outTrackId": "card-1"})[1]["code"] == "param.cardDataAndPrivateDataBothEmpty"


def test_the_third_update_fails_and_too_many_are_limited(gateway, caller):
    caller.create()
    gateway.script({"api": "streaming", "skip": 2, "code": "system.busy", "status": 500}, {"api": "streaming", "skip": 1, "qps": True})
    assert [caller.stream(guid=str(n), content=str(n))[0] for n in range(6)] == [200, 403, 500, 200, 200, 200]
    assert [step["text"] for step in gateway.cards()[0]["history"]][1:] == ["0", "3", "4", "5"]
    gateway.settings(qps={"streaming": 2})
    codes = [caller.stream(guid=f"x{n}", content="x")[1].get("code") for n in range(5)]
    assert codes[-1] == "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"


def test_an_undelivered_card_says_so_only_inside(gateway, caller):
    gateway.script({"api": "create", "deliver_fails": "机器人不在群里"})
    status, answer = caller.create()
    assert status == 200 and answer["success"] and not answer["result"]["deliverResults"][0]["success"]
    assert not gateway.cards()[0]["delivered"]


def test_a_void_token_is_told_by_both_apis(gateway, caller):
    gateway.tell("invalidate")
    assert caller.create()[0:2][1]["code"] == "InvalidAuthentication"
    assert caller.upload(PNG)[1]["errcode"] == 40014
    old, caller.token = caller.token, Caller(gateway).token
    assert caller.token != old and caller.create()[0] == 200
    assert caller.token == Caller(gateway).token, "asked again before its end it is the same"
    assert gateway.violations() == []


@pytest.mark.parametrize("upload, errcode", [
    ({"content": PNG}, 0),
    ({"content": b"\xff\xd8\xff\xe0", "filename": "图.jpg"}, 0),
    ({"content": b"RIFF\x24\0\0\0WEBPVP8 "}, 40005),
    ({"content": PNG, "filename": "a.webp"}, 40005),
    ({"content": PNG, "name": "file"}, 43008),
    ({"content": b""}, 44001),
    ({"content": PNG, "kind": "picture"}, 40004),
    ({"content": PNG + b"\0" * (20 << 20)}, 40006),
])
def test_media_is_held_to_its_rules(gateway, caller, upload, errcode):
    status, answer = caller.upload(**upload)
    assert (status, answer["errcode"]) == (200, errcode)
    if errcode == 0:
        assert answer["media_id"].startswith("@lAD") and gateway.uploads()[0]["bytes"] == len(upload["content"])


def send(caller, **changes):
    body = {"robotCode": Gateway.APP, "openConversationId": "cid-1", "userIds": ["user1"], "msgKey": "sampleMarkdown",
            "msgParam": json.dumps({"title": "题", "text": "文"}), **changes}
    group = caller.call("POST", "/v1.0/robot/groupMessages/send", body)
    person = caller.call("POST", "/v1.0/robot/oToMessages/batchSend", body)
    return group[1].get("code"), person[1].get("code")


@pytest.mark.parametrize("changes, group, person", [
    ({}, None, None),
    ({"robotCode": "dingrobot2"}, "invalidParameter.robotCode.auth", "invalidParameter.robotCode.auth"),
    ({"msgKey": "markdown"}, "invalidParameter.msgKey.invalid", "invalidParameter.msgKey.invalid"),
    ({"msgParam": {"title": "题", "text": "文"}}, "invalidParameter.msgParam.invalid", "invalidParameter.msgParam.invalid"),
    ({"msgParam": json.dumps({"text": "文"})}, "invalidParameter.msgParam.invalid", "invalidParameter.msgParam.invalid"),
    ({"msgParam": json.dumps({"title": "t", "text": "x" * 15000})}, "invalidParameter.msgParam.tooLong", "invalidParameter.msgParam.tooLong"),
    ({"openConversationId": "", "userIds": []}, "miss.openConversationId", "invalidParameter.userIds.empty"),
    ({"userIds": [str(n) for n in range(21)]}, None, "invalidParameter.userIds.overMax"),
])
def test_openapi_messages_are_held_to_their_rules(gateway, caller, changes, group, person):
    assert send(caller, **changes) == (group, person)
    if changes == {}:
        assert [(each["via"], each["text"]) for each in gateway.sent()] == [("group", "文"), ("oto", "文")]


def test_a_session_can_be_gone(gateway, caller):
    gateway.tell("expire", session="s9")
    body = {"msgtype": "text", "text": {"content": "x"}}
    assert caller.call("POST", "/robot/sendBySession?session=s9", body)[1]["errcode"] == 300001
    assert caller.call("POST", "/robot/sendBySession?session=s8", body)[1]["errcode"] == 0
    assert gateway.texts() == ["x"]


def test_a_ticket_is_good_once_and_for_a_while(gateway, caller):
    def ticket():
        body = {"clientId": Gateway.APP, "clientSecret": Gateway.SECRET, "subscriptions": [{"type": "EVENT", "topic": "*"}]}
        return caller.call("POST", "/v1.0/gateway/connections/open", body, {"Accept": "application/json"})[1]["ticket"]

    def connect(name):
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=DEADLINE_S)
        connection.request("GET", f"/connect?ticket={name}", headers={
            "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
        response = connection.getresponse()
        connection.close()
        return response.status, response.getheader("Sec-WebSocket-Accept")

    first = ticket()
    assert connect(first) == (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") and connect(first)[0] == 401
    assert connect("made-up")[0] == 401
    gateway.settings(ticket_s=-1)
    assert connect(ticket())[0] == 401


@pytest.mark.parametrize("status, code", [(400, "param.error"), (401, "authFailed"), (403, "Forbidden.AccessDenied.IpNotInWhiteList")])
def test_the_gateway_can_refuse(gateway, caller, status, code):
    gateway.script({"api": "open", "refuse": status})
    got, answer = caller.call("POST", "/v1.0/gateway/connections/open", {})
    assert (got, answer["code"]) == (status, code)
