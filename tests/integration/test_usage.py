"""用量: one's own numbers, and everybody's for administrators."""
import datetime
import re
import sqlite3
import zoneinfo

from harness import PRIVATE, SECRET, wait_for


def settled(program, count):
    """As many exchanges are written down."""
    def is_there():
        with sqlite3.connect(f"file:{program.directory}/data/dingbridge.db?mode=ro", uri=True) as connection:
            return connection.execute("SELECT count(*) FROM exchange").fetchone()[0] >= count
    wait_for(is_there, f"{count} exchanges")


def tables(text):
    """The rows of every table in it, cells stripped, without the head."""
    return [[[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()[2:]]
            for table in re.findall(r"(?:^\|.*\n?)+", text, re.M)]


def test_one_sees_what_one_used_and_what_is_left(bridge, hear):
    program = bridge(app_secrets=[SECRET], max_request=3)
    hear(program, "一")
    hear(program, "二")
    hear(program, "别人", senderStaffId="other")
    settled(program, 3)
    today = datetime.datetime.now(zoneinfo.ZoneInfo("Asia/Shanghai")).strftime("%Y-%m-%d")
    with sqlite3.connect(program.directory / "data" / "dingbridge.db", timeout=20) as connection:
        tokens = connection.execute("SELECT prompt_tokens, completion_tokens FROM usage WHERE user = 'user123' AND day = ?", (today,)).fetchone()
        # Another day of the month, and one of the month before.
        other = today[:8] + ("02" if today.endswith("01") else "01")
        connection.execute("INSERT INTO usage VALUES (?, 'user123', 5, 1000, 100), ('2001-01-01', 'user123', 50, 50, 50)", (other,))
    answer = hear(program, "用量")
    assert tables(answer) == [[["今天", "2", str(tokens[0]), str(tokens[1])], ["本月", "7", str(tokens[0] + 1000), str(tokens[1] + 100)]]]
    assert "还可以提问 1 次（每天 3 次）" in answer and tokens[0] > 0
    hear(program, "三")
    assert "还可以提问 0 次" in hear(program, "用量")
    assert "次数不限" in hear(bridge(app_secrets=[SECRET]), "用量")


def test_an_admin_sees_who_where_and_with_which_model(bridge, hear):
    program = bridge(app_secrets=[SECRET], admin_users=["boss"])
    for user, nick, group, times in (("u1", "张|三", "甲组", 3), ("u2", "李[四](x)", "乙组", 1)):
        for _ in range(times):
            hear(program, "你好", senderStaffId=user, senderNick=nick, conversationId="cid" + group, conversationTitle=group)
    hear(program, "私聊", senderStaffId="u2", senderNick="李四", **PRIVATE)
    settled(program, 5)
    answer = hear(program, "用量 全部", senderStaffId="boss", **PRIVATE)
    sums, people, groups, models = tables(answer)
    assert sums[0][:2] == ["今天", "5"] and "本月有 2 人使用" in answer
    assert [row[:2] for row in people] == [["张｜三（u1）", "3"], ["李四（u2）", "2"]]
    assert [row[:2] for row in groups] == [["甲组", "3"], ["乙组", "1"]]
    assert [row[:2] for row in models] == [["test-model", "5"]]
    assert int(sums[0][2]) == sum(int(row[2]) for row in people) == int(models[0][2]) > 0


def test_in_a_group_the_report_names_no_ids(bridge, hear):
    program = bridge(app_secrets=[SECRET], admin_users=["boss"])
    hear(program, "你好", senderStaffId="staff-u1", senderNick="张三", conversationId="cid-secret")
    hear(program, "你好", senderStaffId="staff-u2", senderNick="", conversationId="cid-secret")
    settled(program, 2)
    answer = hear(program, "用量 全部", senderStaffId="boss")
    assert "张三" in answer and "机器人测试-TEST" in answer and "（未记名）" in answer
    assert "staff-u" not in answer and "cid-secret" not in answer and "私聊" in answer


def test_everybody_elses_usage_is_for_admins(bridge, hear, llm):
    program = bridge(app_secrets=[SECRET], admin_users=["boss"])
    answer = hear(program, "用量 全部")
    assert "管理员" in answer and not tables(answer)
    hear(program, "用量子力学解释一下")
    assert len(llm.journal()) == 1  # a question, whatever it begins with


def test_the_metered_calls_are_in_the_report(bridge, gateway):
    program = bridge(admin_users=["boss"], openapi_monthly_budget=1000, stream_mode="true", card_template_id="auto", **gateway.keys())
    gateway.wait_connected()
    gateway.say("你好", "s1")
    gateway.wait_card()
    settled(program, 1)
    gateway.say("用量 全部", "s2", senderStaffId="boss", **PRIVATE)
    answer = wait_for(lambda: [card["content"] for card in gateway.cards() if "预算 1000 次" in str(card.get("content"))] or
                      [text for text in gateway.texts("s2") if "预算 1000 次" in text], "the report")[0]
    made = int(re.search(r"本月调用钉钉接口：(\d+) 次", answer)[1])
    calls = tables(answer)[-1]
    assert made == sum(int(row[2]) for row in calls) > 0 and {row[0] for row in calls} == {"dingrobot1"}
