"""Several models: fallback, rest and return, turns of keys, and choosing one, through the real program."""
import json
import os
import subprocess

import pytest

from harness import BINARY, DEADLINE_S, SECRET, wait_for


def match(model, **behaviour):
    """A behaviour for the questions that go to this model."""
    return {"match": f'"model":"{model}"', "times": 99, **behaviour}


def busy(model, **more):
    return match(model, status=503, body='{"error":{"message":"busy","type":"server_error"}}', **more)


@pytest.fixture
def models(llm):
    """models(*names, …) gives a list of models at the double; `claude` is asked natively."""
    def make(*names, **more):
        kinds = {"claude": {"provider": "anthropic"}, "azure": {"provider": "azure", "azure_deployment_name": "azure"}}
        return [{"name": f"M-{name}", "base_url": llm.url, "api_key": f"sk-of-{name}-1234567890", "model": name, **kinds.get(name, {}), **more}
                for name in names]

    return make


def asked(llm):
    """Who was asked, in order."""
    return [entry["json"]["model"] for entry in llm.journal() if entry["method"] == "POST"]


def metric(program, name):
    text = program.request("GET", "/metrics")[1].decode()
    return int(next(line for line in text.splitlines() if line.startswith(f"dingbridge_{name} ")).split()[1])


def test_the_first_answers_and_the_next_ones_where_it_fails(bridge, ask, llm, models):
    program = bridge(models=models("one", "two", "claude"))
    assert "回答：一" in ask(program, "一") and asked(llm) == ["one"]
    llm.reset()
    llm.script(busy("one"), match("two", status=401, body="{}"))
    assert "回答：二" in ask(program, "二")
    assert asked(llm) == ["one", "two", "claude"]
    assert [entry["path"] for entry in llm.journal()][-1] == "/v1/messages"
    assert program.wait_line("llm fallback", "from=M-one", "to=M-two", "reason=busy") and program.lines("to=M-claude", "reason=auth")
    assert metric(program, "llm_fallbacks_total") == 2


@pytest.mark.parametrize("failure", [{"status": 429, "body": "{}", "headers": {"Retry-After": "0"}}, {"status": 404, "body": "{}"},
                                     {"status": 402, "body": "{}"}, {"status": 200, "body": "<html>", "content_type": "text/html"},
                                     {"text": "一二三", "cut_after": 0}, {"delay": 30}])
def test_every_failure_of_the_service_leads_to_the_next_model(bridge, ask, llm, models, failure):
    llm.script(match("one", **failure))
    assert "回答：一" in ask(bridge(models=models("one", "two"), llm_timeout="1s"), "一")
    assert asked(llm)[-1] == "two" and asked(llm).count("one") == (3 if failure.get("status") == 429 else 1)


def test_an_unreachable_service_leads_to_the_next_model(bridge, ask, llm, models):
    first, second = models("one", "two")
    assert "回答：一" in ask(bridge(models=[{**first, "base_url": "http://127.0.0.1:9"}, second]), "一")
    assert asked(llm) == ["two"]


@pytest.mark.parametrize("failure", [{"status": 400, "body": '{"error":{"code":"content_filter","message":"no"}}'},
                                     {"status": 400, "body": '{"error":{"message":"no"}}'}, {"text": "说到一半就停了", "cut_after": 2}])
def test_the_questions_own_fault_and_a_broken_answer_do_not(bridge, ask, llm, models, failure):
    llm.script(match("one", **failure))
    text = ask(bridge(models=models("one", "two")), "一")
    assert asked(llm) == ["one"] and "编号" in text


def test_a_failing_model_rests_and_comes_back(bridge, ask, llm, models):
    program = bridge(models=models("one", "two"), model_rest="2s")
    llm.script(busy("one"))
    for number in range(4):
        assert "回答：" in ask(program, f"问{number}")
    assert asked(llm) == ["one", "two"] * 3 + ["two"]
    assert program.wait_line("llm model_rests", "model=M-one", "rest_ms=2000")
    assert metric(program, "llm_models_resting") == 1 and metric(program, "llm_rests_total") == 1
    assert "暂时不可用" in ask(program, "模型")
    # It fails once more as it is tried, and rests twice as long; then it answers again.
    wait_for(lambda: metric(program, "llm_models_resting") == 0, "the rest to be over")
    assert "回答：再" in ask(program, "再") and asked(llm)[-2:] == ["one", "two"]
    assert program.wait_line("llm model_rests", "rest_ms=4000")
    llm.reset()
    wait_for(lambda: metric(program, "llm_models_resting") == 0, "the rest to be over")
    assert "回答：又" in ask(program, "又") and asked(llm) == ["one"]
    assert program.wait_line("llm model_returns", "model=M-one")


def test_when_every_model_rests_one_is_asked_all_the_same(bridge, ask, llm, models):
    program = bridge(models=models("one", "two"))
    llm.script(busy("one"), busy("two"))
    for number in range(3):
        assert "编号" in ask(program, f"问{number}")
    llm.reset()
    assert "回答：好了" in ask(program, "好了")


def test_a_single_model_is_asked_however_often_it_failed(bridge, ask, llm):
    program = bridge()
    llm.script({"status": 404, "body": "{}", "times": 5})
    for number in range(5):
        assert "编号" in ask(program, f"问{number}")
    assert "回答：好了" in ask(program, "好了")


def keys_of(llm):
    return [entry["headers"]["authorization"].removeprefix("Bearer ") for entry in llm.journal()]


def test_keys_take_turns_and_a_refused_one_rests_alone(bridge, ask, llm):
    keys = [f"sk-{name}-1234567890" for name in "abc"]
    program = bridge(api_key=", ".join(keys))
    for number in range(4):
        assert "回答：" in ask(program, f"问{number}")
    assert keys_of(llm) == keys + keys[:1]
    llm.reset()
    llm.script({"api": keys[1], "status": 401, "body": '{"error":{"message":"bad key sk-b-1234567890"}}', "times": 99})
    for number in range(4):
        assert "回答：" in ask(program, f"再{number}")
    assert keys_of(llm).count(keys[1]) == 1
    assert program.wait_line("llm key_rests", "key=2", "reason=auth")
    assert not any(key in program.text() for key in keys)


def test_a_used_up_quota_of_the_only_key_leads_to_the_next_model_and_is_not_asked_again(bridge, ask, llm, models):
    program = bridge(models=models("one", "two"))
    llm.script(match("one", status=429, body='{"error":{"code":"insufficient_quota"}}'))
    for number in range(3):
        assert "回答：" in ask(program, f"问{number}")
    assert asked(llm) == ["one", "two", "two", "two"]


def test_images_come_from_the_first_that_draws(bridge, ask, llm, models):
    program = bridge(models=[*models("claude"), *models("two", image_model="painter")])
    assert "/images/" in ask(program, "#图片 熊猫")
    assert asked(llm) == ["painter"]


def test_an_entry_without_an_account_uses_the_one_outside_the_list(bridge, ask, llm):
    program = bridge(models=[{"model": "one"}, {"name": "其他", "base_url": llm.url + "/other", "api_key": "sk-other-1234567890", "model": "two"}])
    llm.script(busy("one"))
    assert "回答：一" in ask(program, "一")
    assert keys_of(llm) == ["sk-test-1234567890", "sk-other-1234567890"]
    assert [entry["path"] for entry in llm.journal()] == ["/v1/chat/completions", "/other/v1/chat/completions"]


def test_models_from_the_environment(bridge, ask, llm, models):
    program = bridge({"MODELS": json.dumps(models("two", "one"))}, models=models("one"))
    assert "回答：一" in ask(program, "一") and asked(llm) == ["two"]


def test_the_exchange_names_the_model_that_answered(bridge, ask, llm, models):
    import sqlite3

    program = bridge(models=models("one", "claude"))
    llm.script(busy("one"))
    assert "回答：一" in ask(program, "一")

    def kept():
        with sqlite3.connect(program.directory / "data" / "dingbridge.db") as db:
            return db.execute("SELECT model, provider FROM exchange").fetchall()

    wait_for(lambda: kept() == [("claude", "anthropic")], "the exchange in the store")


# Choosing.

def test_models_are_listed_and_chosen_for_one_session(bridge, ask, llm, models):
    program = bridge(models=models("one", "two", "claude"), model_choice="users")
    text = ask(program, "模型")
    assert "**M-one** `one`，默认，正在用" in text and "**M-claude**" in text and "模型 默认" in text
    assert "M-two" in ask(program, "模型 m-TWO")
    assert "**M-two** `two`，正在用" in ask(program, "模型")
    assert "回答：一" in ask(program, "一") and asked(llm) == ["two"]
    assert "回答：二" in ask(program, "二", senderId="another", senderStaffId="user456") and asked(llm) == ["two", "one"]
    assert "M-one" in ask(program, "模型 默认")
    assert "回答：三" in ask(program, "三") and asked(llm)[-1] == "one"


def test_a_choice_survives_a_restart_and_a_reset(bridge, ask, llm, models):
    program = bridge(models=models("one", "two"), model_choice="users")
    assert "M-two" in ask(program, "模型 M-two")
    ask(program, "重置")
    program.stop()
    program.start()
    assert "回答：一" in ask(program, "一") and asked(llm) == ["two"]


def test_a_chosen_model_that_fails_is_stood_in_for(bridge, ask, llm, models):
    program = bridge(models=models("one", "two"), model_choice="users")
    ask(program, "模型 M-two")
    llm.script(busy("two"))
    assert "回答：一" in ask(program, "一") and set(asked(llm)) == {"one", "two"} and asked(llm)[-1] == "one"


def test_an_unknown_name_is_told_with_the_list(bridge, ask, models, llm):
    program = bridge(models=models("one", "two"), model_choice="users")
    text = ask(program, "模型 没有的")
    assert "没有这个名字" in text and "M-one" in text
    assert "回答：模型训练是什么" in ask(program, "模型训练是什么")


def test_only_admins_choose_where_it_is_for_admins(bridge, hear, models, llm):
    program = bridge(models=models("one", "two"), model_choice="admins", app_secrets=[SECRET], admin_users=["boss"])
    assert "管理员" in hear(program, "模型 M-two")
    assert "M-two" in hear(program, "模型 M-two", senderStaffId="boss", senderId="boss-id")
    assert "回答：一" in hear(program, "一") and "回答：二" in hear(program, "二", senderStaffId="boss", senderId="boss-id")
    assert asked(llm) == ["one", "two"]


def test_nobody_chooses_unless_it_is_allowed_but_all_may_look(bridge, ask, models, llm):
    program = bridge(models=models("one", "two"))
    text = ask(program, "模型")
    assert "M-two" in text and "模型 名字" not in text
    assert "没有开放" in ask(program, "模型 M-two")
    assert "回答：一" in ask(program, "一") and asked(llm) == ["one"]


def test_the_only_model_is_listed_by_its_name(bridge, ask):
    assert "**test-model**，默认，正在用" in ask(bridge(), "模型")


# The configuration.

def check(directory, value, *options):
    (directory / "config.yml").write_text(value if isinstance(value, str) else json.dumps(value))
    return subprocess.run([BINARY, "check", *options], cwd=directory, capture_output=True, text=True, timeout=DEADLINE_S,
                          env={"PATH": os.environ["PATH"], "HOME": str(directory)})


def test_check_online_asks_every_model_with_every_key(tmp_path, llm, models):
    first, second = models("test-model", "missing")
    outcome = check(tmp_path, {"models": [{**first, "api_key": "sk-a-1234567890,sk-b-1234567890"}, {**second, "provider": "anthropic"}]}, "--online")
    assert outcome.returncode != 0
    assert "[M-test-model #1]" in outcome.stdout and "[M-test-model #2]" in outcome.stdout and "[M-missing #1]" in outcome.stdout
    assert "sk-a-1234567890" not in outcome.stdout + outcome.stderr
    assert [entry["path"] for entry in llm.journal()] == ["/v1/models", "/v1/models", "/v1/models?limit=1000"]


def test_what_is_wrong_in_an_entry_is_told_with_its_line_and_key(tmp_path):
    outcome = check(tmp_path, "models:\n  - model: a\n    base_url: ftp://x\n    temperature: 9\n  - api_key: sk-secret-99\n    modle: b\n")
    assert outcome.returncode == 78
    for part in ("config.yml:3: models[1].base_url", "config.yml:4: models[1].temperature", "config.yml:6: models[2].modle", "did you mean model",
                 "config.yml:5: models[2].model"):
        assert part in outcome.stderr, outcome.stderr
    assert "sk-secret-99" not in outcome.stderr
