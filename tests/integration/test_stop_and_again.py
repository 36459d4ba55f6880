"""停止 and 重新生成: ending a running answer, and asking the last question once more."""
from harness import message, wait_for


def asked(llm):
    return [entry["json"]["messages"] for entry in llm.journal() if entry["path"].endswith("/chat/completions")]


def test_stopping_ends_the_running_answer_and_keeps_what_was_said(bridge, webhook, ask, llm):
    program = bridge(default_mode="串聊")
    llm.script({"text": "从前有座山" * 200, "stutter": 0.05, "chunk": 5})
    assert program.post(message("讲故事", webhook.url, "story")) == 200
    wait_for(lambda: asked(llm), "the question at the LLM")
    wait_for(lambda: b"dingbridge_llm_exchanges_running 1\n" in program.request("GET", "/metrics")[1], "the answer to run")
    assert ask(program, "停止") == "@user123\n\n已停止。"
    told, = webhook.texts("story")
    assert "从前有座山" in told and "已停止" in told and "编号" not in told and len(told) < 2000
    ask(program, "接着讲")
    assert [entry["role"] for entry in asked(llm)[-1]] == ["user", "assistant", "user"]
    assert "从前有座山" in asked(llm)[-1][1]["content"] and "已停止" not in asked(llm)[-1][1]["content"]


def test_stopping_when_nothing_runs_is_told(bridge, ask):
    assert "没有正在进行的回答" in ask(bridge(), "停止")


def test_nobody_stops_another_persons_answer(bridge, webhook, ask, llm):
    program = bridge()
    llm.script({"text": "慢慢说完", "stutter": 0.2, "chunk": 1})
    assert program.post(message("讲", webhook.url, "long", senderStaffId="first")) == 200
    wait_for(lambda: asked(llm), "the question at the LLM")
    assert "没有正在进行的回答" in ask(program, "停止", senderStaffId="second")
    assert "慢慢说完" in webhook.wait_texts(1, "long")[0]


def test_again_asks_the_last_question_and_replaces_its_answer(bridge, ask, llm):
    program = bridge(default_mode="串聊")
    ask(program, "第一问")
    llm.script({"text": "不满意的回答"})
    ask(program, "第二问")
    llm.script({"text": "满意的回答"})
    assert "满意的回答" in ask(program, "重新生成")
    first, second, again = asked(llm)
    assert again == second
    ask(program, "第三问")
    said = [entry["content"] for entry in asked(llm)[-1]]
    assert "不满意的回答" not in said and "满意的回答" in said and said[-1] == "第三问" and len(said) == 5


def test_again_works_for_questions_that_stand_alone_and_for_templates(bridge, ask, llm):
    program = bridge()
    ask(program, "#周报 写了代码")
    ask(program, "重新生成")
    first, again = asked(llm)
    assert first == again and "写了代码" in first[0]["content"]


def test_again_without_a_question_is_told_also_after_a_reset(bridge, ask):
    program = bridge()
    assert "还没有" in ask(program, "重新生成")
    ask(program, "问")
    ask(program, "重置")
    assert "还没有" in ask(program, "重新生成")
    ask(program, "问", senderStaffId="other")
    assert "还没有" in ask(program, "重新生成")


def test_again_counts_as_a_question(bridge, ask):
    program = bridge(max_request=2)
    ask(program, "一")
    ask(program, "重新生成")
    assert "上限" in ask(program, "重新生成")
    assert "没有正在进行" in ask(program, "停止")
