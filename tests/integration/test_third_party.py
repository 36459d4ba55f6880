"""The program against an OpenAI double that others wrote: @copilotkit/aimock, at the version of tests/third_party/package-lock.json.

./test installs it (npm ci) and says so where Node is missing or too old; then this file is skipped. With DINGBRIDGE_REQUIRE_NODE=1 that is a failure.
"""
import base64
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import threading

import pytest

from harness import DEADLINE_S, ROOT, message, wait_for

PROGRAM = ROOT / "tests" / "third_party" / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
NODE_LEAST = (20, 15)
KEY = "sk-test-1234567890"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
LONG = "很长的一段话。" * 40


def usage(prompt):
    return {"prompt_tokens": prompt, "completion_tokens": 10, "total_tokens": prompt + 10}


FIXTURES = [
    {"match": {"userMessage": "流式"}, "response": {"content": "一段流式的回答🎉，到此为止。"}, "chunkSize": 4, "latency": 5},
    {"match": {"userMessage": "推理"}, "response": {"content": "答案是四十二", "reasoning": "先偷偷想一想"}},
    {"match": {"userMessage": "注释"}, "response": {"content": "有注释的流"}, "openRouterProcessing": True},
    {"match": {"userMessage": "等一下", "sequenceIndex": 0},
     "response": {"error": {"message": "slow", "type": "requests", "code": "rate_limit_exceeded"}, "status": 429, "retryAfter": 2}},
    {"match": {"userMessage": "等一下", "sequenceIndex": 1}, "response": {"content": "等到了"}},
    {"match": {"userMessage": "一直等"},
     "response": {"error": {"message": "slow", "type": "requests", "code": "rate_limit_exceeded"}, "status": 429, "retryAfter": 1}},
    {"match": {"userMessage": "没钱了"},
     "response": {"error": {"message": "no quota", "type": "insufficient_quota", "code": "insufficient_quota"}, "status": 429}},
    {"match": {"userMessage": "中途断开"}, "response": {"content": "这个回答说到一半就断了，后面的听不到"}, "truncateAfterChunks": 3, "chunkSize": 5,
     "latency": 30},
    {"match": {"userMessage": "马上断开"}, "response": {"content": "这个回答一个字也没有说出来"}, "truncateAfterChunks": 3, "chunkSize": 5},
    {"match": {"userMessage": "慢慢来"}, "response": {"content": "慢慢说"}, "streamingProfile": {"ttft": 1500, "tps": 5}},
    {"match": {"userMessage": "重读"}, "response": {"content": LONG, "usage": usage(100000)}},
    {"match": {"userMessage": "轻读"}, "response": {"content": LONG, "usage": usage(200)}},
    {"match": {"endpoint": "image"}, "response": {"image": {"b64Json": base64.b64encode(PNG).decode()}}},
    {"match": {"endpoint": "chat"}, "response": {"content": "随便说说"}},
]


class Aimock:
    def __init__(self, fixtures):
        self.process = subprocess.Popen(["node", str(PROGRAM), "-p", "0", "-f", str(fixtures), "--log-level", "info"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        env={"PATH": os.environ["PATH"], "HOME": str(fixtures.parent), "AIMOCK_API_KEYS": KEY})
        self.log = []
        self.port = None
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        wait_for(lambda: self.port or self.process.poll() is not None, "aimock to listen")
        assert self.port, "".join(self.log)
        self.url = f"http://127.0.0.1:{self.port}"

    def _read(self):
        for line in self.process.stdout:
            self.log.append(line)
            listening = re.search(r"listening on http://127\.0\.0\.1:(\d+)", line)
            if listening:
                self.port = int(listening.group(1))

    def call(self, method, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        connection.request(method, path, headers={"Authorization": f"Bearer {KEY}"})
        body = connection.getresponse().read()
        connection.close()
        return json.loads(body) if body else None

    def journal(self):
        return self.call("GET", "/__aimock/journal?limit=1000")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(DEADLINE_S)
        self.reader.join()
        self.process.stdout.close()


def missing():
    """Why aimock cannot be started here; "" when it can."""
    if not shutil.which("node"):
        return "there is no Node"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if tuple(int(part) for part in version.lstrip("v").split(".")[:2]) < NODE_LEAST:
        return f"Node {version} is older than 20.15"
    return "" if PROGRAM.exists() else "tests/third_party is not installed (npm ci)"


@pytest.fixture(scope="module")
def aimock_file(tmp_path_factory):
    reason = missing()
    if reason and os.environ.get("DINGBRIDGE_REQUIRE_NODE") == "1":
        pytest.fail(f"{reason}, and DINGBRIDGE_REQUIRE_NODE insists on it")
    if reason:
        pytest.skip(reason)
    path = tmp_path_factory.mktemp("aimock") / "fixtures.json"
    path.write_text(json.dumps({"fixtures": FIXTURES}, ensure_ascii=False))
    return path


@pytest.fixture
def aimock(aimock_file):
    double = Aimock(aimock_file)
    yield double
    double.stop()


@pytest.fixture
def program(bridge, aimock):
    """program(suffix, …) starts the bridge on aimock."""
    def start(suffix="", **keys):
        return bridge(**{"base_url": aimock.url + suffix, "api_key": KEY, **keys})

    return start


def asked(aimock):
    return [entry["body"]["messages"] for entry in aimock.journal() if entry["path"].endswith("/chat/completions")]


def test_a_streamed_answer(program, ask, aimock):
    """aimock counts characters in UTF-16: a delta may end in the middle of the emoji."""
    assert "一段流式的回答🎉，到此为止。" in ask(program(), "流式")
    entry, = aimock.journal()
    assert entry["body"]["stream"] is True and entry["body"]["stream_options"] == {"include_usage": True}
    assert entry["response"]["status"] == 200


@pytest.mark.parametrize("suffix, root", [("", "/v1"), ("/v1", "/v1"), ("/api/v3", "/api/v3"), ("/api/paas/v4", "/api/paas/v4"),
                                          ("/compatible-mode/v1", "/compatible-mode/v1"), ("/openai/v1", "/openai/v1"),
                                          ("/api/v1", "/api/v1"), ("/v1/chat/completions", "/v1")])
def test_base_urls_with_every_prefix(program, ask, aimock, suffix, root):
    assert "随便说说" in ask(program(suffix), "你好")
    assert [entry["path"] for entry in aimock.journal()] == [root + "/chat/completions"]


def test_reasoning_is_not_shown(program, ask):
    text = ask(program(), "推理")
    assert "答案是四十二" in text and "偷偷" not in text


def test_comments_in_the_stream_are_no_text(program, ask):
    text = ask(program("/api/v1"), "注释")
    assert "有注释的流" in text and "PROCESSING" not in text


def test_retry_after_is_waited_for(program, ask, aimock):
    assert "等到了" in ask(program(), "等一下")
    first, second = [entry["timestamp"] for entry in aimock.journal()]
    assert second - first >= 1900


def test_429_is_tried_three_times_and_told(program, ask, aimock):
    text = ask(program(), "一直等")
    assert "频繁" in text and "编号" in text
    assert len(aimock.journal()) == 3


def test_a_used_up_quota_is_final(program, ask, aimock):
    assert "额度" in ask(program(), "没钱了")
    assert len(aimock.journal()) == 1


def test_a_wrong_key_is_told_once_and_not_shown(program, ask, aimock):
    started = program(api_key="sk-wrong-abcdefghij")
    text = ask(started, "你好")
    assert "密钥" in text and "sk-wrong" not in text + started.text()
    assert started.wait_line("llm_failed", "reason=auth", "code=401", "tries=1")


def test_a_stream_that_is_cut_keeps_what_was_said(program, ask, aimock):
    text = ask(program(), "中途断开")
    assert "这个回答说" in text and "后面的听不到" not in text and "没有说完" in text and "断开" in text
    assert len(aimock.journal()) == 1


def test_a_connection_that_ends_before_the_first_byte_is_tried_again_and_told(program, ask, aimock):
    text = ask(program(), "马上断开")
    assert "没能回答" in text and "编号" in text
    assert len(aimock.journal()) == 3


def test_a_slow_first_word_is_waited_for(program, ask):
    assert "慢慢说" in ask(program(llm_timeout="5s"), "慢慢来")


def test_a_first_word_that_is_too_slow_is_a_timeout(program, ask):
    assert "超时" in ask(program(llm_timeout="1s"), "慢慢来")


AZURE = {"azure_on": True, "azure_resource_name": "r", "azure_deployment_name": "my-deployment", "azure_openai_token": KEY, "api_key": None}


@pytest.mark.parametrize("version, path", [("2024-10-21", "/openai/deployments/my-deployment/chat/completions"), ("v1", "/openai/v1/chat/completions")])
def test_azure_in_both_forms(program, ask, aimock, version, path):
    assert "一段流式的回答🎉，到此为止。" in ask(program(**AZURE, azure_api_version=version), "流式")
    entry, = aimock.journal()
    assert entry["path"].split("?")[0] == path


CLAUDE = {"provider": "anthropic", "model": "claude-sonnet-5-5"}


def test_claude_streams_an_answer(program, ask, aimock):
    assert "一段流式的回答🎉，到此为止。" in ask(program(**CLAUDE), "流式")
    entry, = aimock.journal()
    assert entry["path"] == "/v1/messages" and entry["response"]["status"] == 200


def test_claudes_thinking_is_not_shown(program, ask):
    text = ask(program(**CLAUDE), "推理")
    assert "答案是四十二" in text and "偷偷" not in text


def test_claudes_limit_is_waited_for(program, ask, aimock):
    assert "等到了" in ask(program(**CLAUDE), "等一下")
    first, second = [entry["timestamp"] for entry in aimock.journal()]
    assert second - first >= 1900


def test_a_wrong_key_for_claude_is_told(program, ask):
    assert "密钥" in ask(program(**{**CLAUDE, "api_key": "sk-wrong-abcdefghij"}), "你好")


def test_an_image_is_drawn_and_served(program, ask, aimock):
    started = program(image_model="gpt-image-2")
    name = re.search(r"/images/([0-9a-f]{32}\.png)", ask(started, "#图片 一只熊猫")).group(1)
    status, data, headers = started.request("GET", f"/images/{name}")
    assert status == 200 and data == PNG and headers["content-type"] == "image/png"
    entry, = aimock.journal()
    assert entry["path"] == "/v1/images/generations"


def test_an_old_completion_model_that_is_asked_as_chat_only_still_answers(program, ask, aimock):
    assert "随便说说" in ask(program(model="gpt-3.5-turbo-instruct"), "你好")


def test_a_conversation_is_sent_in_order(program, ask, aimock):
    started = program(system_prompt="你是小助手")
    ask(started, "串聊")
    for text in ("流式第一问", "推理第二问", "第三问"):
        ask(started, text)
    assert asked(aimock)[-1] == [
        {"role": "system", "content": "你是小助手"},
        {"role": "user", "content": "流式第一问"}, {"role": "assistant", "content": "一段流式的回答🎉，到此为止。"},
        {"role": "user", "content": "推理第二问"}, {"role": "assistant", "content": "答案是四十二"},
        {"role": "user", "content": "第三问"}]


def test_usage_calibrates_how_much_fits_the_window(program, webhook, aimock):
    """The same conversation against a model that counts many tokens, and one that counts few."""
    kept = []
    for word in ("重读", "轻读"):
        started = program(default_mode="串聊", max_text=1500)
        session = f"window-{len(kept)}"
        for number in range(10):
            assert started.post(message(f"{word}{number}" + "问题" * 30, webhook.url, session)) == 200
            webhook.wait_texts(number + 1, session)
        kept.append(len(asked(aimock)[-1]))
        started.stop()
    assert kept[0] < kept[1]


def test_check_online_knows_the_list_of_models(tmp_path, aimock):
    from harness import BINARY

    (tmp_path / "config.json").write_text(json.dumps({"api_key": KEY, "base_url": aimock.url, "model": "no-such-model-at-all"}))
    listed = aimock.call("GET", "/v1/models")["data"]
    outcome = subprocess.run([BINARY, "check", "--online"], cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE_S,
                             env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    assert listed and outcome.returncode != 0 and "no-such-model-at-all" in outcome.stdout
