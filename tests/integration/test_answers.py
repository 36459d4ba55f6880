"""From the LLM to the webhook: protocols, failures, retries, and how a reply looks."""
import json
import re
import sqlite3
import subprocess

import pytest

from harness import message, said, wait_for


def requests_of(llm):
    return [entry for entry in llm.journal() if entry["path"].endswith("completions")]


def test_only_what_is_configured_is_sent(bridge, ask, llm):
    ask(bridge(), "你好")
    entry, = requests_of(llm)
    assert entry["path"] == "/v1/chat/completions"
    assert entry["headers"]["authorization"] == "Bearer sk-test-1234567890"
    assert set(entry["json"]) <= {"model", "messages", "stream", "stream_options"} and entry["json"]["stream"] is True
    assert entry["json"]["messages"] == [{"role": "user", "content": "你好"}]


def test_configured_parameters_are_sent(bridge, ask, llm):
    ask(bridge(temperature=0.6, max_answer_len=200, system_prompt="你是小助手"), "你好")
    body = requests_of(llm)[0]["json"]
    assert body["temperature"] == 0.6 and body["max_tokens"] == 200
    assert body["messages"][0] == {"role": "system", "content": "你是小助手"}


@pytest.mark.parametrize("suffix, path", [("", "/v1"), ("/", "/v1"), ("/v1", "/v1"), ("/v1/", "/v1"), ("/api/v3", "/api/v3"),
                                          ("/v1/chat/completions", "/v1"), ("/openai", "/openai/v1")])
def test_base_url_in_every_form(bridge, ask, llm, suffix, path):
    ask(bridge(base_url=llm.url + suffix), "你好")
    assert requests_of(llm)[0]["path"] == path + "/chat/completions"


def test_an_endpoint_without_a_key(bridge, ask, llm):
    assert "回答：" in ask(bridge(api_key=None), "你好")
    assert "authorization" not in requests_of(llm)[0]["headers"]


@pytest.mark.parametrize("model", ["text-davinci-003", "davinci-002", "gpt-3.5-turbo-instruct", "babbage-002", "curie", "ada-001"])
def test_old_completion_models_use_the_old_path(bridge, ask, llm, model):
    assert "回答：" in ask(bridge(model=model), "你好")
    entry = requests_of(llm)[0]
    assert entry["path"] == "/v1/completions" and "你好" in entry["json"]["prompt"]


def test_parameters_that_the_model_refuses_are_repaired_and_remembered(bridge, ask, llm):
    program = bridge(temperature=0.6, max_answer_len=100)
    llm.script({"status": 400, "body": json.dumps({"error": {"message": "Unsupported parameter: 'max_tokens' is not supported with this model. "
                "Use 'max_completion_tokens' instead.", "param": "max_tokens", "code": "unsupported_parameter"}})},
               {"status": 400, "body": json.dumps({"error": {"message": "Unsupported value: 'temperature' does not support 0.6",
                "param": "temperature", "code": "unsupported_value"}})})
    assert "回答：" in ask(program, "一")
    assert "回答：" in ask(program, "二")
    bodies = [entry["json"] for entry in requests_of(llm)]
    assert len(bodies) == 4
    for body in bodies[2:]:
        assert body["max_completion_tokens"] == 100 and "temperature" not in body and "max_tokens" not in body


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_busy_answers_are_tried_again_at_most_twice(bridge, ask, llm, status):
    program = bridge()
    busy = {"status": status, "body": '{"error":{"message":"busy","type":"requests"}}', "headers": {"Retry-After": "0"}}
    llm.script({**busy, "times": 2})
    assert "回答：" in ask(program, "一")
    llm.reset()
    llm.script({**busy, "times": 9})
    assert "编号" in ask(program, "二")
    assert len(requests_of(llm)) == 3


def test_retry_after_is_honoured(bridge, ask, llm):
    program = bridge()
    llm.script({"status": 429, "body": "{}", "headers": {"Retry-After": "2"}})
    assert "回答：" in ask(program, "一")
    first, second = [entry["time"] for entry in requests_of(llm)]
    assert second - first >= 1.9


def test_a_wait_that_is_too_long_is_told_at_once(bridge, ask, llm):
    llm.script({"status": 429, "body": "{}", "headers": {"Retry-After": "3600"}, "times": 5})
    assert "频繁" in ask(bridge(), "一")
    assert len(requests_of(llm)) == 1


@pytest.mark.parametrize("word, status, requests", [("true", 409, 2), ("true", 400, 2), ("false", 503, 1), ("true", 401, 1)])
def test_the_peers_word_about_retrying_counts_except_for_keys(bridge, ask, llm, word, status, requests):
    program = bridge()
    llm.script({"status": status, "body": '{"error":{"message":"no"}}', "headers": {"x-should-retry": word}})
    text = ask(program, "一")
    assert len(requests_of(llm)) == requests and ("没能回答" in text) == (requests == 1)


def test_an_error_before_the_first_word_is_tried_again(bridge, ask, llm):
    llm.script({"text": "一二三", "error_after": 0}, {"text": "四五六", "cut_after": 0})
    assert "回答：" in ask(bridge(), "一")
    assert len(requests_of(llm)) == 3


def test_a_used_up_quota_inside_a_200_stream_is_final(bridge, ask, llm):
    llm.script({"status": 200, "content_type": "text/event-stream", "times": 5,
                "body": 'data: {"error":{"message":"no quota","type":"insufficient_quota","code":"insufficient_quota"}}\n\n'})
    assert "额度" in ask(bridge(), "一")
    assert len(requests_of(llm)) == 1


def test_422_is_repaired_like_400(bridge, ask, llm):
    llm.script({"status": 422, "body": json.dumps({"detail": [{"loc": ["body", "temperature"], "msg": "not allowed", "input": 0.6}]})})
    assert "回答：" in ask(bridge(temperature=0.6), "一")
    assert ["temperature" in entry["json"] for entry in requests_of(llm)] == [True, False]


def test_keys_and_addresses_in_the_peers_words_are_masked(bridge, ask, llm):
    program = bridge(api_key="an-unusual-key-42")
    llm.script({"status": 400, "body": json.dumps({"error": {"message": "an-unusual-key-42 is wrong (Bearer an-unusual-key-42, sk-abcdefghijklmnop), see "
                "https://me:pw@relay.example/login?token=abcdef#top"}})})
    text = ask(program, "绝密的问题")
    line = program.wait_line("llm_failed", "ref=" + re.search(r"编号 (\w+)", text).group(1))
    assert len(program.lines("llm_failed", "ref=" + re.search(r"编号 (\w+)", text).group(1))) == 1
    for secret in ("an-unusual-key", "sk-abc", "me:pw", "abcdef", "绝密"):
        assert secret not in text + program.text()
    assert "relay.example" in line and "relay.example" not in text


FINAL = {
    "wrong key": (401, {"error": {"message": "Incorrect API key provided: sk-abcdefghijklmnop", "code": "invalid_api_key"}}, "密钥"),
    "no balance": (402, {"error": {"message": "Insufficient Balance"}}, "额度"),
    "quota": (429, {"error": {"message": "You exceeded your current quota", "type": "insufficient_quota", "code": "insufficient_quota"}}, "额度"),
    "no model": (404, {"error": {"message": "The model does not exist", "code": "model_not_found"}}, "模型"),
}


@pytest.mark.parametrize("name", FINAL)
def test_what_cannot_be_helped_is_not_tried_again(bridge, ask, llm, name):
    status, body, word = FINAL[name]
    program = bridge()
    llm.script({"status": status, "body": json.dumps(body), "times": 5})
    text = ask(program, "一")
    assert word in text and "sk-" not in text
    assert len(requests_of(llm)) == 1
    reference = re.search(r"编号 (\w+)", text).group(1)
    assert program.wait_line("llm_failed", f"ref={reference}")
    assert len(program.lines("llm_failed", f"ref={reference}")) == 1
    assert "sk-abcdefghijklmnop" not in program.text() and "http://" not in text


BROKEN = {
    "cut in the middle": {"text": "一二三四五六七八九十" * 3, "cut_after": 3},
    "error inside the stream": {"text": "一二三四五六七八九十" * 3, "error_after": 3},
    "no end": {"text": "一二三四五六七八九十", "no_done": True},
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_stream_that_breaks_keeps_the_text_and_tells_the_reason(bridge, ask, llm, name):
    program = bridge()
    llm.script(BROKEN[name])
    text = ask(program, "一")
    assert "一二三四" in text and "没有说完" in text
    reference = re.search(r"编号 (\w+)", text).group(1)
    program.wait_line(f"ref={reference}", "llm_failed")
    assert "sk-secret" not in text + program.text()
    assert len(requests_of(llm)) == 1


NOTHING = {
    "HTML": {"status": 200, "body": "<html><body>Bad gateway</body></html>", "content_type": "text/html", "times": 3},
    "an empty answer": {"text": ""},
    "an empty body": {"status": 200, "body": "", "times": 3},
    "cut before the first word": {"text": "一二三", "cut_after": 0, "times": 3},
}


@pytest.mark.parametrize("name", NOTHING)
def test_no_answer_is_told_with_a_reference(bridge, ask, llm, name):
    program = bridge()
    llm.script(NOTHING[name])
    text = ask(program, "一")
    assert "没能回答" in text and "html" not in text.lower()
    program.wait_line("ref=" + re.search(r"编号 (\w+)", text).group(1))


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_reasoning_is_never_shown(bridge, ask, llm, key):
    llm.script({"reasoning": "让我想想，这很秘密", "reasoning_key": key, "text": "答案是四十二"})
    text = ask(bridge(), "问")
    assert "答案是四十二" in text and "秘密" not in text


@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_thoughts_that_only_end_with_a_tag_are_taken_back(bridge, ask, llm, chunk):
    program = bridge(default_mode="串聊")
    llm.script({"text": "先想一想这个秘密……\n再想想。\n</think>\n\n答案是四十二", "chunk": chunk})
    text = ask(program, "多少")
    assert text.endswith("答案是四十二") and "秘密" not in text and "think" not in text
    ask(program, "为什么")
    assert [entry["content"] for entry in requests_of(llm)[-1]["json"]["messages"]][1] == "答案是四十二"


@pytest.mark.parametrize("text", ["标签写作 <think> 和\n</think>\n两个", "行内的 </think> 不算", "```\n<think>\n</think>\n```"])
def test_an_answer_about_such_tags_is_left_alone(bridge, ask, llm, text):
    llm.script({"text": text, "chunk": 2})
    assert text in ask(bridge(), "标签是什么")


def test_think_tags_are_never_shown(bridge, ask, llm):
    llm.script({"text": "<think>这很秘密</think>\n答案是四十二", "chunk": 3})
    text = ask(bridge(), "问")
    assert "答案是四十二" in text and "秘密" not in text and "think" not in text


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("chunk", [1, 7])
def test_streams_of_every_line_ending(bridge, ask, llm, newline, chunk):
    llm.script({"text": "完整的回答🎉到这里为止", "newline": newline, "chunk": chunk})
    assert "完整的回答🎉到这里为止" in ask(bridge(), "问")


def test_a_relay_that_answers_whole_although_a_stream_was_asked_for(bridge, ask, llm):
    llm.script({"plain": True, "text": "整段"})
    assert "整段" in ask(bridge(), "问")


def test_no_first_byte_ends_the_turn(bridge, ask, llm):
    program = bridge(llm_timeout="1s")
    llm.script({"delay": 30, "times": 5})
    assert "超时" in ask(program, "问")


def test_silence_in_the_middle_ends_the_turn(bridge, ask, llm):
    program = bridge(llm_timeout="1s")
    llm.script({"text": "一二三四五六七八九十", "stall_after": 1})
    text = ask(program, "问")
    assert "一二三四" in text and "超时" in text


def test_keep_alives_are_no_answer(bridge, ask, llm):
    program = bridge(llm_timeout="1s")
    llm.script({"text": "一二三", "comments_after": 0, "times": 5})
    assert "超时" in ask(program, "问")


def test_keep_alives_before_an_answer_are_patience(bridge, ask, llm):
    llm.script({"text": "一二三", "comments_after": 0, "stall": 0.7})
    assert "一二三" in ask(bridge(llm_timeout="5s"), "问")


def test_a_group_reply_mentions_the_asker_and_has_a_title(bridge, webhook, llm):
    llm.script({"text": "## 结论 **很好**\n\n正文"})
    program = bridge()
    assert program.post(message("问", webhook.url, "mention")) == 200
    webhook.wait_texts(1, "mention")
    body = webhook.delivered()[0]["json"]
    assert body["msgtype"] == "markdown" and body["at"]["atUserIds"] == ["user123"]
    assert "@user123" in body["markdown"]["text"]
    assert "结论" in body["markdown"]["title"] and "#" not in body["markdown"]["title"]


def test_a_private_reply_mentions_nobody(bridge, webhook):
    program = bridge()
    assert program.post(message("问", webhook.url, "private", conversationType="1")) == 200
    assert "@" not in webhook.wait_texts(1, "private")[0]


def test_a_long_answer_comes_whole_in_order_and_in_parts_that_fit(bridge, webhook, llm):
    paragraphs = [f"第{number}段：" + "内容很多\"引号\"\\反斜杠，" * 40 for number in range(60)]
    code = "```python\n" + "\n".join(f"print({number})  # 一行代码" for number in range(900)) + "\n```"
    llm.script({"text": "\n\n".join(paragraphs[:30] + [code] + paragraphs[30:]), "chunk": 500})
    program = bridge()
    assert program.post(message("写长文", webhook.url, "long")) == 200
    wait_for(lambda: program.lines("turn answered"), "the end of the delivery")
    entries = webhook.journal()
    assert all(entry["outcome"] == "delivered" and entry["bytes"] <= 20000 for entry in entries) and len(entries) > 3
    texts = [said(entry) for entry in entries]
    joined = "\n".join(texts)
    positions = [joined.index(f"第{number}段：") for number in range(60)]
    assert positions == sorted(positions)
    for number in range(900):
        assert f"print({number})  #" in joined
    for text in texts:
        assert text.count("```") % 2 == 0
    assert any(text.lstrip().startswith("```python") for text in texts[1:])


def test_one_endless_line_is_cut_at_characters(bridge, webhook, llm):
    llm.script({"text": "字" * 20000, "chunk": 1000})
    program = bridge()
    assert program.post(message("写", webhook.url, "line")) == 200
    wait_for(lambda: program.lines("turn answered"), "the end of the delivery")
    assert sum(text.count("字") for text in webhook.texts("line")) == 20000


def test_busy_and_5xx_webhooks_are_tried_again(bridge, webhook):
    program = bridge()
    webhook.script({"errcode": -1}, {"status": 502})
    assert program.post(message("单聊", webhook.url, "busy")) == 200
    assert len(webhook.wait_texts(1, "busy")) == 1


def test_too_long_for_dingtalk_is_split_further(bridge, webhook, llm):
    llm.script({"text": "\n\n".join(f"第{number}段" + "字" * 200 for number in range(20)), "chunk": 500})
    webhook.script({"max_bytes": 4000}, {"max_bytes": 9000, "times": 50})
    program = bridge()
    assert program.post(message("写", webhook.url, "smaller")) == 200
    wait_for(lambda: program.lines("turn answered"), "the end of the delivery")
    joined = "\n".join(webhook.texts("smaller"))
    assert [f"第{number}段" in joined for number in range(20)] == [True] * 20


@pytest.mark.parametrize("quoted", [False, True])
def test_an_expired_webhook_is_logged_and_the_answer_kept(bridge, webhook, llm, quoted):
    llm.script({"text": "珍贵的回答"})
    webhook.script({"errcode": 300001, "errmsg": "session 不存在", "quoted": quoted, "times": 3})
    program = bridge()
    assert program.post(message("问", webhook.url)) == 200
    program.wait_line("error", "undelivered", "code=300001")
    database = program.directory / "data" / "dingbridge.db"
    row = wait_for(lambda: sqlite3.connect(database).execute("select answer, outcome from exchange").fetchone(), "the exchange")
    assert row == ("珍贵的回答", "undelivered")


def test_texts_and_secrets_stay_out_of_the_log(bridge, ask, llm):
    program = bridge(app_secrets=None)
    ask(program, "绝密问题一二三")
    program.wait_line("turn answered")
    assert "绝密问题" not in program.text() and "sk-test" not in program.text() and "session=ask" not in program.text()


def test_eighty_people_at_once_get_their_own_answers(bridge, webhook, llm):
    program = bridge(llm_parallel=8)
    for number in range(80):
        assert program.post(message(f"我是{number}号", webhook.url, f"p{number}", senderStaffId=f"u{number}",
                                    conversationId=f"c{number % 7}")) == 200
    for number in range(80):
        assert f"我是{number}号" in webhook.wait_texts(1, f"p{number}")[0]
    assert len(webhook.delivered()) == 80


def test_proxy_carries_the_llm_and_never_dingtalk(bridge, ask, llm, webhook, proxy):
    for options, url in [((), "http://127.0.0.1:{}"), (("--user", "me:pä ss"), "http://me:p%C3%A4%20ss@127.0.0.1:{}"), ((), "socks5://127.0.0.1:{}"),
                         (("--user", "me:pw"), "socks5://me:pw@127.0.0.1:{}"), ((), "socks5h://127.0.0.1:{}"),
                         (("--user", "me:pw"), "socks5h://me:pw@127.0.0.1:{}")]:
        carrier = proxy(*options)
        program = bridge(http_proxy=url.format(carrier.port))
        assert "回答：" in ask(program, "你好")
        wait_for(lambda: {entry["port"] for entry in carrier.asked if entry["ok"]} == {llm.port}, "the proxy's notes")
        assert "pw@" not in program.text() and "me:" not in program.text() and "%C3%A4" not in program.text()
        program.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A PEM file with a key and its own certificate, for 127.0.0.1."""
    path = tmp_path_factory.mktemp("tls") / "proxy.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", str(path), "-out", str(path) + ".crt"], check=True, capture_output=True)
    path.write_text(path.read_text() + path.with_suffix(".pem.crt").read_text())
    return path


def test_an_https_proxy_is_spoken_to_in_tls_and_with_its_password(bridge, ask, llm, proxy, certificate):
    carrier = proxy("--tls", str(certificate), "--user", "me:pw")
    program = bridge(http_proxy=f"https://me:pw@127.0.0.1:{carrier.port}", environment={"SSL_CERT_FILE": str(certificate)})
    assert "回答：" in ask(program, "你好")
    wait_for(lambda: [entry["port"] for entry in carrier.asked if entry["ok"]] == [llm.port], "the proxy's notes")
    assert "pw@" not in program.text()


def test_an_https_proxy_that_is_not_trusted_carries_nothing(bridge, ask, llm, proxy, certificate):
    carrier = proxy("--tls", str(certificate))
    program = bridge(http_proxy=f"https://127.0.0.1:{carrier.port}")
    assert "连接不上" in ask(program, "你好")
    assert not carrier.asked and not llm.journal()
    assert "certificate" in program.wait_line("llm_failed")


def test_a_wrong_proxy_password_is_told_and_kept_secret(bridge, ask, llm, proxy):
    carrier = proxy("--user", "me:right")
    program = bridge(http_proxy=f"http://me:wrongpw@127.0.0.1:{carrier.port}")
    assert "连接不上" in ask(program, "你好")
    line = program.wait_line("llm_failed")
    assert len(program.lines("llm_failed")) == 1
    assert "407" in line and "tries=1" in line and "wrongpw" not in program.text()
    assert not llm.journal()


def test_socks5h_leaves_the_name_to_the_proxy(bridge, ask, llm, proxy):
    carrier = proxy()
    program = bridge(http_proxy=f"socks5h://127.0.0.1:{carrier.port}", base_url=f"http://llm.invalid:{llm.port}")
    assert "回答：" in ask(program, "你好")
    wait_for(lambda: carrier.asked and carrier.asked[0]["host"] == "llm.invalid", "the proxy's note")


def test_dingtalk_proxy_carries_dingtalk_and_never_the_llm(bridge, ask, llm, webhook, proxy):
    carrier = proxy()
    program = bridge(dingtalk_proxy=f"http://127.0.0.1:{carrier.port}")
    assert "回答：" in ask(program, "你好")
    wait_for(lambda: {entry["port"] for entry in carrier.asked} == {webhook.port}, "the proxy's notes")


def test_proxies_of_the_environment_are_not_taken_for_dingtalk(bridge, ask, webhook, proxy, llm):
    carrier = proxy()
    url = f"http://127.0.0.1:{carrier.port}"
    program = bridge(environment={"http_proxy": url, "https_proxy": url, "ALL_PROXY": url, "all_proxy": url})
    assert "回答：" in ask(program, "你好")
    assert not carrier.asked
