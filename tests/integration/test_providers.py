"""Azure and Anthropic through the real program."""
import os
import subprocess

import pytest

from harness import BINARY, DEADLINE_S, message, wait_for

AZURE = {"azure_on": True, "azure_resource_name": "my-resource", "azure_deployment_name": "my-deployment", "azure_openai_token": "azure-key-1234567890",
         "azure_api_version": "2024-10-21", "api_key": None, "model": None}
CLAUDE = {"provider": "anthropic", "model": "claude-test", "api_key": "sk-ant-1234567890"}


def asked(llm):
    return [entry for entry in llm.journal() if entry["method"] == "POST"]


def test_azure_in_the_classic_form(bridge, ask, llm):
    assert "回答：你好" in ask(bridge(**AZURE), "你好")
    entry, = asked(llm)
    assert entry["path"] == "/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21"
    assert entry["headers"]["api-key"] == "azure-key-1234567890" and "authorization" not in entry["headers"]


@pytest.mark.parametrize("version, query", [(None, ""), ("v1", ""), ("preview", "?api-version=preview")])
def test_azure_in_the_newer_form(bridge, ask, llm, version, query):
    assert "回答：你好" in ask(bridge(**{**AZURE, "azure_api_version": version}), "你好")
    entry, = asked(llm)
    assert entry["path"] == "/openai/v1/chat/completions" + query
    assert entry["json"]["model"] == "my-deployment" and entry["headers"]["api-key"] == "azure-key-1234567890"


def test_azure_from_the_environment(bridge, ask, llm):
    environment = {"AZURE_ON": "true", "AZURE_RESOURCE_NAME": "r", "AZURE_DEPLOYMENT_NAME": "d", "AZURE_API_VERSION": "2024-10-21",
                   "AZURE_OPENAI_TOKEN": "azure-key-1234567890"}
    assert "回答：你好" in ask(bridge(environment, api_key=None), "你好")
    assert asked(llm)[0]["path"].startswith("/openai/deployments/d/")


def test_azure_is_reached_by_its_resources_name_through_the_proxy(bridge, webhook, proxy):
    """TLS to the real name: only the way there can be seen."""
    carrier = proxy()
    program = bridge(**{**AZURE, "base_url": None}, http_proxy=f"http://127.0.0.1:{carrier.port}")
    assert program.post(message("你好", webhook.url)) == 200
    wait_for(lambda: any(each["host"] == "my-resource.openai.azure.com" and each["port"] == 443 for each in carrier.asked), "the proxy to be asked for Azure")


def test_azure_draws_with_the_deployment_for_images(bridge, ask, llm):
    assert "/images/" in ask(bridge(**AZURE, image_model="pictures"), "#图片 熊猫")
    assert asked(llm)[0]["path"] == "/openai/deployments/pictures/images/generations?api-version=2024-10-21"


def test_azures_filter_is_told(bridge, ask, llm):
    program = bridge(**AZURE)
    llm.script({"text": "不该说的话", "finish": "content_filter"},
               {"status": 400, "body": '{"error":{"code":"content_filter","param":"prompt","message":"filtered"}}'})
    text = ask(program, "一")
    assert "不该说的话" in text and "安全检查" in text
    assert "安全检查" in ask(program, "二")


def test_azure_has_no_balance_to_ask_for(bridge, ask, llm):
    assert "余额" in ask(bridge(**AZURE), "余额")
    assert llm.journal() == []


@pytest.mark.parametrize("missing", ["azure_deployment_name", "azure_resource_name"])
def test_what_azure_needs_is_checked(tmp_path, missing):
    keys = {key: value for key, value in AZURE.items() if value is not None and key != missing}
    (tmp_path / "config.yml").write_text("".join(f"{key}: {value}\n" for key, value in keys.items()))
    outcome = subprocess.run([BINARY, "check"], cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE_S,
                             env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    assert outcome.returncode != 0 and missing in outcome.stderr
    assert "azure-key-1234567890" not in outcome.stdout + outcome.stderr


def test_claude_answers_natively(bridge, ask, llm):
    program = bridge(**CLAUDE, system_prompt="你是小助手", default_mode="串聊")
    assert "回答：一（前面有 0 条）" in ask(program, "一")
    llm.script({"reasoning": "偷偷想"})
    text = ask(program, "二")
    assert "回答：二" in text and "偷偷" not in text
    entry = asked(llm)[0]
    assert entry["path"] == "/v1/messages" and entry["headers"]["x-api-key"] == "sk-ant-1234567890"
    assert entry["headers"]["anthropic-version"] == "2023-06-01" and "authorization" not in entry["headers"]
    assert entry["json"] == {"model": "claude-test", "system": "你是小助手", "messages": [{"role": "user", "content": "一"}], "max_tokens": 8192,
                             "stream": True}


def test_claude_remembers_a_conversation_with_roles_in_turns(bridge, ask, llm):
    program = bridge(**CLAUDE, default_mode="串聊")
    for text, count in (("一", 0), ("二", 2), ("三", 4)):
        assert f"回答：{text}（前面有 {count} 条）" in ask(program, text)


def test_overloaded_claude_is_asked_again(bridge, ask, llm):
    llm.script({"status": 529, "body": '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', "times": 2})
    assert "回答：一" in ask(bridge(**CLAUDE), "一")
    assert len(asked(llm)) == 3


def test_claude_overloaded_in_the_middle_keeps_what_was_said(bridge, ask, llm):
    llm.script({"text": "说到一半就停了", "error_after": 4})
    text = ask(bridge(**CLAUDE), "一")
    assert "说到一半" in text and "就停了" not in text and "没有说完" in text
    assert len(asked(llm)) == 1


def test_a_refusal_of_claudes_is_told(bridge, ask, llm):
    llm.script({"text": "", "finish": "refusal"})
    assert "安全检查" in ask(bridge(**CLAUDE), "一")


def test_claude_draws_nothing_and_has_no_balance(bridge, ask, llm):
    program = bridge(**CLAUDE)
    assert "没能回答" in ask(program, "#图片 熊猫") and "余额" in ask(program, "余额")
    assert llm.journal() == []


def test_check_online_asks_claudes_list(tmp_path, llm):
    (tmp_path / "config.yml").write_text(f"provider: anthropic\nbase_url: {llm.url}\napi_key: k-1234567890\nmodel: test-model\n")
    outcome = subprocess.run([BINARY, "check", "--online"], cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE_S,
                             env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    entry, = llm.journal()
    assert entry["path"] == "/v1/models?limit=1000" and entry["headers"]["x-api-key"] == "k-1234567890"
