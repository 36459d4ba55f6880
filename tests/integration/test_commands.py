"""What people type: every row of the command table through the real program."""
import datetime
import json
import re
import sqlite3
import time
import zoneinfo

import pytest

from harness import message, wait_for

BUILTIN = ("#周报 #前端 #架构师 #产品经理 #网络安全 #正则 #招聘 #知乎 #翻译 #小红书 #解梦 #linux命令 #英语学术润色 #中文学术润色 #查找语法错误 #中译英 "
           "#学术中译英 #英译中 #解释代码 #生成域名 #生成sql #编程问题 #画图").split()


def asked(llm):
    """The messages of every question that reached the LLM."""
    return [entry["json"]["messages"] for entry in llm.journal() if entry["path"].endswith("/chat/completions")]


@pytest.mark.parametrize("typed", ["", "帮助", "  帮助 ", "　帮助\n", "@小助手 帮助", " @小助手\u2005帮助"])
def test_help(bridge, ask, llm, typed):
    text = ask(bridge(), typed)
    for word in ("帮助", "单聊", "串聊", "重置", "退出", "结束", "模板", "图片", "#图片", "余额"):
        assert word in text
    assert not llm.journal()


def test_help_of_the_operator_replaces_it(bridge, ask):
    program = bridge(help="### 请找小王\n\n第二行")
    for typed in ("", "帮助"):
        text = ask(program, typed)
        assert "### 请找小王\n\n第二行" in text and "单聊" not in text


def test_a_mention_of_somebody_else_is_part_of_the_question(bridge, ask, llm):
    others = [{"dingtalkId": "$:LWCP_v1:$robot"}, {"dingtalkId": "$:LWCP_v1:$other", "staffId": "007"}]
    ask(bridge(), "@李四 是谁", atUsers=others)
    assert asked(llm)[0][-1]["content"] == "@李四 是谁"


def test_a_leading_mention_of_the_robot_is_stripped_from_a_question(bridge, ask, llm):
    program = bridge()
    for typed in ("@小助手 你好", "@小助手\u2005你好", "@小助手　你好", " 你好", "　你好　"):
        ask(program, typed)
        assert asked(llm)[-1][-1]["content"] == "你好", typed
    assert "本周" in ask(program, " @小助手\u2005#周报")


def test_where_the_mention_is_gone_already_a_word_with_an_at_stays(bridge, ask, llm):
    program = bridge()
    ask(program, " @Override 是什么意思")  # DingTalk leaves the blank behind the mention that it took away
    assert asked(llm)[-1][-1]["content"] == "@Override 是什么意思"
    ask(program, "@Override 是什么意思", conversationType="1", conversationTitle=None)
    assert asked(llm)[-1][-1]["content"] == "@Override 是什么意思"


def test_the_full_width_hash_is_a_hash(bridge, ask, llm):
    program = bridge()
    assert "/images/" in ask(program, "＃图片 一只猫")
    assert llm.journal()[-2 if llm.journal()[-1]["path"].startswith("/files") else -1]["json"]["prompt"] == "一只猫"
    ask(program, "＃周报　写代码")
    assert "＃" not in asked(llm)[-1][-1]["content"] and asked(llm)[-1][-1]["content"].endswith("写代码")
    count = len(llm.journal())
    assert "本周" in ask(program, "＃周报") and "#图片" in ask(program, "＃图片") and len(llm.journal()) == count


@pytest.mark.parametrize("typed", ["帮助我写代码", "我要重置", "单聊是什么", "余额多少", "#不存在的模板 内容"])
def test_commands_match_exactly_and_anything_else_is_a_question(bridge, ask, llm, typed):
    assert "回答：" in ask(bridge(), typed)
    assert asked(llm)[0][-1]["content"] == typed


def test_modes_are_confirmed_with_the_time_of_fallback(bridge, ask, llm):
    program = bridge(session_timeout="10m")
    chain = ask(program, "串聊")
    assert "串聊" in chain and "单聊" in chain and "10 分钟" in chain and re.search(r"\d\d:\d\d", chain)
    assert "单聊" in ask(program, "单聊")
    assert not llm.journal()


def test_single_mode_asks_every_question_alone(bridge, ask, llm):
    program = bridge()
    ask(program, "一")
    ask(program, "二")
    assert [len(messages) for messages in asked(llm)] == [1, 1]


def test_chain_mode_sends_the_earlier_exchanges_in_order(bridge, ask, llm):
    program = bridge()
    ask(program, "串聊")
    first = ask(program, "第一问")
    ask(program, "第二问")
    ask(program, "第三问")
    last = asked(llm)[-1]
    assert [item["role"] for item in last] == ["user", "assistant", "user", "assistant", "user"]
    assert [item["content"] for item in last][::2] == ["第一问", "第二问", "第三问"]
    assert last[1]["content"] in first


def test_two_quick_questions_are_answered_in_order_and_both_remembered(bridge, webhook, llm):
    program = bridge(default_mode="串聊")
    llm.script({"delay": 0.3})
    for text in ("甲", "乙", "丙"):
        assert program.post(message(text, webhook.url, "quick")) == 200
    texts = webhook.wait_texts(3, "quick")
    assert ["甲" in texts[0], "乙" in texts[1], "丙" in texts[2]] == [True] * 3
    assert [item["content"] for item in asked(llm)[-1]][::2] == ["甲", "乙", "丙"]


def test_sessions_belong_to_robot_conversation_and_sender(bridge, ask, llm):
    program = bridge(default_mode="串聊")
    ask(program, "秘密一")
    ask(program, "别人", senderStaffId="user456", senderNick="张三")
    ask(program, "别处", conversationId="cid-2")
    ask(program, "别的机器人", robotCode="dingrobot2")
    assert [len(messages) for messages in asked(llm)] == [1, 1, 1, 1]
    ask(program, "秘密二")
    assert len(asked(llm)[-1]) == 3


@pytest.mark.parametrize("word", ["重置", "退出", "结束"])
def test_reset_forgets_mode_and_context(bridge, ask, llm, word):
    program = bridge()
    ask(program, "串聊")
    ask(program, "旧事")
    assert "重置" in ask(program, word)
    ask(program, "新的")
    ask(program, "又一个")
    assert [len(messages) for messages in asked(llm)] == [1, 1, 1]
    ask(program, "串聊")
    ask(program, "串起来")
    assert len(asked(llm)[-1]) == 1


@pytest.mark.parametrize("timeout", [1, "1s"])
def test_after_the_timeout_the_mode_falls_back_and_the_context_is_gone(bridge, ask, llm, timeout):
    program = bridge(session_timeout=timeout)
    ask(program, "串聊")
    ask(program, "旧的")
    time.sleep(1.2)  # the timeout itself is what is tested
    ask(program, "新的一")
    ask(program, "新的二")
    assert [len(messages) for messages in asked(llm)] == [1, 1, 1]


def test_with_chain_as_default_an_old_context_is_not_taken_up_again(bridge, ask, llm):
    program = bridge(session_timeout=1, default_mode="串聊")
    ask(program, "旧的")
    time.sleep(1.2)  # the timeout itself is what is tested
    ask(program, "新的一")
    ask(program, "新的二")
    assert [len(messages) for messages in asked(llm)] == [1, 1, 3]


def test_sessions_survive_restarts(bridge, ask, llm):
    program = bridge()
    ask(program, "串聊")
    ask(program, "记住我")
    program.wait_line("kind=question")
    wait_for(lambda: sqlite3.connect(program.directory / "data" / "dingbridge.db").execute(
        "select count(*) from exchange").fetchone()[0] == 1, "the exchange to be stored")
    program.stop()
    program.start()
    ask(program, "还记得吗")
    assert [item["content"] for item in asked(llm)[-1]][0] == "记住我"


def test_a_full_window_drops_the_oldest_and_nobody_is_told_to_reset(bridge, ask, llm):
    program = bridge(default_mode="串聊", max_text=1000)
    for number in range(8):
        llm.script({"text": f"答{number}" + "很长的回答" * 30})
        text = ask(program, f"问题{number}" + "也比较长" * 10)
        assert "重置" not in text
    last = [item["content"] for item in asked(llm)[-1]]
    assert last[-1].startswith("问题7") and last[0].startswith("问题") and not last[0].startswith("问题0")
    assert 1 < len(last) < 15 and asked(llm)[-1][0]["role"] == "user"


TOO_LONG = {"status": 400, "body": '{"error": {"message": "maximum context length", "code": "context_length_exceeded"}}'}


def test_what_the_model_finds_too_long_loses_its_context_and_is_answered(bridge, ask, llm):
    program = bridge(default_mode="串聊")
    for number in range(4):
        ask(program, f"问题{number}")
    llm.script({**TOO_LONG, "times": 2})
    assert "回答：最后" in ask(program, "最后")
    assert [len(messages) for messages in asked(llm)[-3:]] == [9, 5, 1]
    llm.script({**TOO_LONG, "times": 9})
    text = ask(program, "还是太长")
    assert "没能回答" in text and "太长" in text and "重置" not in text


@pytest.mark.parametrize("usage, is_smaller", [(3000, True), (250, False)])
def test_the_window_is_measured_by_the_usage_that_the_model_reports(bridge, ask, llm, usage, is_smaller):
    program = bridge(default_mode="串聊", max_text=2000)
    for number in range(12):
        llm.script({"text": f"答{number}" + "很长的回答" * 20, "usage": usage})
        ask(program, f"问题{number}" + "也比较长" * 10)
    n = len(asked(llm)[-1])
    assert n < 12 if is_smaller else n > 16  # about 900 tokens of window, twice or half as many as estimated


def test_daily_limit_counts_questions_and_images_and_not_commands(bridge, ask, llm):
    program = bridge(max_request=2)
    for _ in range(5):
        ask(program, "帮助")
    assert "回答：" in ask(program, "一")
    assert "/images/" in ask(program, "#图片 一只猫")
    refusal = ask(program, "三")
    assert "上限" in refusal and re.search(r"\d{4}-\d\d-\d\d 00:00", refusal)
    assert "上限" in ask(program, "#周报 写代码")
    assert "上限" not in ask(program, "模板")
    assert "回答：" in ask(program, "别人的", senderStaffId="user456")
    program.stop()
    program.start()
    assert "上限" in ask(program, "重启以后")


def test_a_retried_question_is_counted_once(bridge, ask, llm):
    program = bridge(max_request=2)
    llm.script({"status": 500, "body": "{}", "headers": {"Retry-After": "0"}, "times": 2})
    assert "回答：" in ask(program, "一")
    assert "回答：" in ask(program, "二")
    assert "上限" in ask(program, "三")


def test_a_message_that_comes_again_is_counted_once(bridge, ask, webhook, llm):
    program = bridge(max_request=2)
    first = message("一", webhook.url, "again")
    for _ in range(4):
        assert program.post(first) == 200
    assert "回答：一" in webhook.wait_texts(1, "again")[0]
    assert program.post(first) == 200
    assert "回答：" in ask(program, "二")
    assert "上限" in ask(program, "三")
    assert len(webhook.texts("again")) == 1


def test_a_message_that_a_restart_takes_up_is_counted_once(bridge, ask, webhook, llm):
    program = bridge(max_request=2)
    llm.script({"delay": 60})
    assert program.post(message("一", webhook.url, "resumed")) == 200
    wait_for(lambda: llm.journal(), "the question at the LLM")
    program.kill()
    llm.script()
    program.start()
    assert "回答：一" in webhook.wait_texts(1, "resumed")[0]
    assert "回答：" in ask(program, "二")
    assert "上限" in ask(program, "三")


def test_the_limit_is_the_persons_wherever_and_whatever_they_call_themselves(bridge, ask, llm):
    program = bridge(max_request=1)
    assert "回答：" in ask(program, "一")
    assert "上限" in ask(program, "二", conversationId="cid-2", robotCode="dingrobot2", senderNick="另一个名字")
    assert "回答：" in ask(program, "三", senderStaffId="user456", senderNick="张三")


def test_a_new_local_day_begins_the_count_anew(bridge, ask):
    west, east = "Etc/GMT+12", "Pacific/Kiritimati"  # 26 hours apart: never on the same day
    program = bridge(max_request=1, environment={"TIMEZONE": west})
    for zone in (west, east):
        program.environment["TIMEZONE"] = zone
        program.stop()
        program.start()
        assert "回答：" in ask(program, "一")
        tomorrow = datetime.datetime.now(zoneinfo.ZoneInfo(zone)).date() + datetime.timedelta(days=1)
        assert f"{tomorrow} 00:00" in ask(program, "二")


def test_a_refusal_that_is_late_names_the_midnight_after_the_message(bridge, ask, webhook, llm):
    program = bridge(max_request=1)
    ask(program, "一")
    webhook.script({"delay": 60})
    assert program.post(message("二", webhook.url, "late")) == 200
    database = program.directory / "data" / "dingbridge.db"
    row, payload = wait_for(lambda: sqlite3.connect(database).execute("select id, payload from inbox where done_ms is null and payload like '%二%'").fetchone(),
                            "the message in the inbox")
    program.kill()
    record = json.loads(payload)
    record["arrived_ms"] -= 24 * 3600 * 1000
    with sqlite3.connect(database) as connection:
        connection.execute("update inbox set payload = ? where id = ?", (json.dumps(record), row))
    connection.close()
    webhook.script()
    program.start()
    today = datetime.datetime.now(zoneinfo.ZoneInfo("Asia/Shanghai")).date()
    assert f"{today} 00:00" in webhook.wait_texts(1, "late")[0]


def test_a_bare_template_and_every_command_is_free(bridge, ask, llm):
    program = bridge(max_request=1)
    for typed in ("帮助", "单聊", "串聊", "重置", "退出", "结束", "模板", "图片", "余额", "#图片", "#周报"):
        assert "上限" not in ask(program, typed), typed
    assert "回答：" in ask(program, "一")
    for typed in ("帮助", "单聊", "串聊", "重置", "退出", "结束", "模板", "图片", "余额", "#图片", "#周报"):
        assert "上限" not in ask(program, typed), typed
    for typed in ("二", "#周报 写代码", "#图片 一只猫"):
        assert "上限" in ask(program, typed), typed


def test_templates_are_listed(bridge, ask, llm):
    text = ask(bridge(), "模板")
    for title in BUILTIN:
        assert title in text
    assert not llm.journal()


def test_every_built_in_template_wraps_its_text(bridge, ask, llm):
    program = bridge()
    for title in BUILTIN:
        ask(program, f"{title} 这里是内容")
        question = asked(llm)[-1][-1]["content"]
        assert "这里是内容" in question and title not in question and len(question) > 20, title
    assert "markdown" in asked(llm)[0][-1]["content"].lower()


def test_a_bare_template_shows_it_and_asks_nothing(bridge, ask, llm):
    text = ask(bridge(), "#周报")
    assert "#周报" in text and "本周" in text
    assert not llm.journal()


def test_explaining_code_uses_a_fence(bridge, ask, llm):
    ask(bridge(), "#解释代码 int main() {}")
    assert "```\nint main() {}\n```" in asked(llm)[0][-1]["content"]


def test_latin_letters_of_a_title_match_in_either_case(bridge, ask, llm):
    ask(bridge(), "#Linux命令 看磁盘")
    assert "看磁盘" in asked(llm)[0][-1]["content"] and "#" not in asked(llm)[0][-1]["content"].split("看磁盘")[0][:2]


def test_a_prompt_file_of_the_predecessor_is_read(bridge, ask, llm):
    prompts = ('# 注释\n- title: "#周报"\n  prefix: "写成周报："\n  suffix: ""\n- title: "#知乎"\n  prefix: 风格是：用"谢邀"开头。请写：\n  suffix: ""\n'
               '- title: "#解释代码"\n  prefix: "请解释：\\n```\\n"\n  suffix: "\\n```"\n- title: "#Linux命令"\n  content: "只用命令回答："\n')
    program = bridge(files={"prompt.yml": prompts})
    for typed in ("#周报 内容", "#知乎 内容", "#解释代码 x = 1", "#LINUX命令 内容", "#linux命令内容"):
        ask(program, typed)
    assert [messages[-1]["content"] for messages in asked(llm)] == [
        "写成周报：内容", '风格是：用"谢邀"开头。请写：内容', "请解释：\n```\nx = 1\n```", "只用命令回答：内容", "只用命令回答：内容"]


def test_own_templates_replace_the_built_in_ones_and_the_longest_title_wins(bridge, ask, llm):
    prompts = ('- title: "#写"\n  prefix: "短：《"\n  suffix: "》完"\n'
               '- title: "#写诗"\n  prefix: "长：<"\n  suffix: ">完"\n'
               '- title: "#旧式"\n  content: "旧："\n')
    program = bridge(files={"prompt.yml": prompts})
    ask(program, "#写诗 春天")
    ask(program, "#写 信")
    ask(program, "#旧式 内容")
    assert [messages[-1]["content"] for messages in asked(llm)] == ["长：<春天>完", "短：《信》完", "旧：内容"]
    assert "#写诗" in ask(program, "模板") and "#周报" not in ask(program, "模板")


def test_how_to_draw(bridge, ask, llm):
    program = bridge()
    assert "#图片" in ask(program, "图片")
    assert "#图片" in ask(program, "#图片")
    assert not llm.journal()


def test_balance(bridge, ask):
    text = ask(bridge(), "余额")
    assert "7.50" in text and "12.50" in text and "2030" in text


def test_a_provider_without_a_balance_says_so(bridge, ask, llm):
    llm.script({"status": 404, "body": "{}", "times": 20})
    assert "没有提供余额" in ask(bridge(), "余额")


def test_english_words(bridge, ask):
    program = bridge(language="en")
    assert "Just send your question" in ask(program, "帮助")
