"""SIGHUP: the file is read again, what is wrong in it changes nothing, what runs goes on."""
import json
import signal

import pytest

from harness import SECRET, message, signed, wait_for


# Every key of the older program's example, as people write it there.
PREDECESSOR = """\
log_level: "info"
run_mode: "http"
api_key: "sk-test-1234567890"
base_url: "{llm}"
model: "gpt-3.5-turbo"
image_model: "dall-e-3"
session_timeout: 600
max_question_len: 4096
max_answer_len: 4096
max_text: 8192
http_proxy: ""
default_mode: "单聊"
max_request: 0
port: "0"
service_url: "http://bridge.example:8090"
chat_type: "0"
allow_groups: []
allow_outgoing_groups: []
allow_users: []
deny_users: []
vip_users: []
admin_users: ["1301691029702722"]
app_secrets: ["app-secret-0001"]
sensitive_words: ["敏感的词", ""]
help: "### 发送信息\\n\\n有两种方式。"
azure_on: false
azure_resource_name: "example"
azure_deployment_name: "gpt-35-turbo"
azure_api_version: "2023-03-15-preview"
azure_openai_token: "xxxxxxx"
credentials:
  -
    client_id: "put-your-client-id-here"
    client_secret: "put-your-client-secret-here"
stream_mode: false
card_template_id: ""
"""


def rewrite(program, **keys):
    file = program.directory / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **keys}))


def reload(program, event="config reloaded"):
    before = len(program.lines(event))
    program.process.send_signal(signal.SIGHUP)
    return wait_for(lambda: program.lines(event)[before:], f"the line {event}")[0]


def test_lists_limits_words_and_templates_change_while_running(bridge, hear):
    program = bridge(app_secrets=[SECRET])
    assert "回答：一" in hear(program, "一")
    rewrite(program, deny_users=["user123"], help="新的帮助", max_question_len=5, language="en", max_request=3)
    (program.directory / "prompt.yml").write_text("- title: 新模板\n  prefix: 前\n  suffix: 后\n")
    line = reload(program)
    for key in ("deny_users", "help", "max_question_len", "language", "max_request"):
        assert key in line
    assert "`user123`" in hear(program, "二")
    assert "新的帮助" in hear(program, "帮助", senderStaffId="other")
    assert "too long" in hear(program, "一个相当长的问题，真的很长", senderStaffId="other")
    assert "前好后" in hear(program, "#新模板 好", senderStaffId="other")
    rewrite(program, deny_users=[])
    (program.directory / "prompt.yml").unlink()
    reload(program)
    assert "回答：三" in hear(program, "三")
    assert "#周报" in hear(program, "模板")


@pytest.mark.parametrize("broken", ["{", '{"max_request": "many"}', "[]"])
def test_a_broken_file_changes_nothing_and_says_why(bridge, hear, broken):
    program = bridge(app_secrets=[SECRET], deny_users=["bad"])
    (program.directory / "config.json").write_text(broken)
    reload(program, "config not_reloaded")
    assert program.lines("config problem", "config.json")
    assert "`bad`" in hear(program, "一", senderStaffId="bad")
    assert "回答：二" in hear(program, "二")
    (program.directory / "config.json").unlink()
    reload(program, "config not_reloaded")
    assert "`bad`" in hear(program, "三", senderStaffId="bad", conversationId="cid-2")


def test_broken_templates_change_nothing_either(bridge, hear):
    program = bridge(app_secrets=[SECRET])
    rewrite(program, deny_users=["user123"])
    (program.directory / "prompt.yml").write_text("- title: [\n")
    reload(program, "config not_reloaded")
    assert program.lines("config problem", "prompt.yml")
    assert "回答：一" in hear(program, "一")


def test_keys_that_need_a_restart_are_named_and_keep_their_value(bridge, hear):
    program = bridge(app_secrets=[SECRET])
    rewrite(program, model="another", app_secrets=["another-secret"], timezone="Europe/Berlin")
    reload(program)
    line = program.wait_line("restart_needed")
    assert "model" in line and "app_secrets" in line and "timezone" in line and "another-secret" not in program.text()
    assert "回答：一" in hear(program, "一")
    assert "+08:00" in program.wait_line("turn answered").split()[0]


def test_a_turn_that_runs_goes_on_with_what_it_began(bridge, webhook, llm):
    llm.script({"delay": 1, "text": "慢慢来"})
    program = bridge(app_secrets=[SECRET], files={"prompt.yml": "- title: 老模板\n  prefix: 前\n  suffix: 后\n"})
    assert program.post(message("#老模板 好", webhook.url, "slow"), signed(SECRET)) == 200
    wait_for(lambda: llm.journal(), "the question at the LLM")
    assert program.post(message("#老模板 又", webhook.url, "queued"), signed(SECRET)) == 200
    (program.directory / "prompt.yml").unlink()
    for _ in range(3):
        reload(program)
    assert "慢慢来" in webhook.wait_texts(1, "slow")[0]
    assert "前又后" in webhook.wait_texts(1, "queued")[0]


def test_what_was_taken_out_in_chat_is_forgotten_once_the_file_has_it_out_too(bridge, hear):
    program = bridge(app_secrets=[SECRET], admin_users=["boss"], deny_users=["user123"])
    hear(program, "#取消禁止用户 user123", senderStaffId="boss")
    assert "回答：一" in hear(program, "一")
    rewrite(program, deny_users=[])
    reload(program)
    rewrite(program, deny_users=["user123"])
    reload(program)
    assert "`user123`" in hear(program, "二")


def test_the_older_programs_file_is_read_without_a_complaint(bridge, llm, hear):
    text = PREDECESSOR.format(llm=llm.url) + "listen: 127.0.0.1\nwebhook_hosts: [127.0.0.1]\n"
    program = bridge(raw=text)
    assert "回答：你好" in hear(program, "你好")
    assert "权限" in hear(program, "#权限", senderStaffId="1301691029702722")
    assert not program.lines("警告") and not program.lines("错误")
