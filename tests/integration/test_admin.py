"""What administrators do in chat, and that nobody else does."""
import sqlite3

import pytest

from harness import PRIVATE, SECRET

COMMANDS = ["#权限", "#允许用户 u", "#取消允许用户 u", "#禁止用户 u", "#取消禁止用户 u", "#允许群", "#允许群 g", "#取消允许群 g", "#允许普通群 g",
            "#取消允许普通群 g", "#设为VIP u", "#取消VIP u", "#额度 u 5", "#取消额度 u", "#允许用户", "#额度"]


@pytest.fixture
def boss(hear):
    return lambda program, text, /, **changes: hear(program, text, senderStaffId="boss", senderNick="老板", **{**PRIVATE, **changes})


def start(bridge, **keys):
    return bridge(app_secrets=[SECRET], admin_users=["boss"], **keys)


def stored(program, what):
    with sqlite3.connect(f"file:{program.directory}/data/dingbridge.db?mode=ro", uri=True) as connection:
        return connection.execute(what).fetchall()


@pytest.mark.parametrize("typed", COMMANDS)
def test_nobody_else_can_use_an_admin_command(bridge, hear, llm, typed):
    program = start(bridge)
    for who in ({"senderStaffId": "user123"}, {"senderStaffId": None}, {"senderStaffId": "", "senderNick": "boss", "isAdmin": True}):
        assert "管理员" in hear(program, typed, **who)
    open_port = bridge(admin_users=["boss"])
    assert "无法确认" in hear(open_port, typed, is_signed=False, senderStaffId="boss")
    for each in (program, open_port):
        assert not stored(each, "SELECT * FROM setting") and not stored(each, "SELECT * FROM audit")
    assert not llm.journal()


def test_letting_people_in_and_out_counts_at_once_and_after_a_restart(bridge, boss, hear):
    program = start(bridge)
    assert "只有名单上的" in boss(program, "#允许用户 u1,u2")
    assert "`user123`" in hear(program, "你好")
    assert "回答：一" in hear(program, "一", senderStaffId="u1")
    program.stop()
    program.start()
    assert "回答：二" in hear(program, "二", senderStaffId="u2")
    assert "`user123`" in hear(program, "你好")
    assert "不作限制" in boss(program, "#取消允许用户 u1　u2")
    assert "回答：三" in hear(program, "三")
    assert stored(program, "SELECT * FROM setting") == []


def test_denying_beats_allowing_and_is_taken_back(bridge, boss, hear):
    program = start(bridge, allow_users=["user123"])
    assert "回答：一" in hear(program, "一")
    boss(program, "#禁止用户 user123")
    assert "`user123`" in hear(program, "二")
    boss(program, "#取消禁止用户 user123")
    assert "回答：三" in hear(program, "三")


def test_what_the_file_lists_can_be_taken_out_and_put_back(bridge, boss, hear):
    program = start(bridge, deny_users=["user123"])
    boss(program, "#取消禁止用户 user123")
    assert "回答：一" in hear(program, "一")
    assert "没有变化" in boss(program, "#取消禁止用户 user123")
    boss(program, "#禁止用户 user123")
    assert "`user123`" in hear(program, "二")
    assert stored(program, "SELECT * FROM setting") == []


def test_a_group_is_allowed_by_the_word_alone(bridge, boss, hear):
    program = start(bridge, allow_groups=["cid-other"])
    assert "`cid-1`" in hear(program, "一")
    boss(program, "#允许群", conversationType="2", conversationId="cid-1")
    assert "回答：二" in hear(program, "二")
    boss(program, "#取消允许群 cid-1")
    assert "`cid-1`" in hear(program, "三", senderStaffId="u2")
    boss(program, "#允许普通群 cid-x")
    assert "`cid-1`" in hear(program, "四", robotCode="normal")


def test_vips_and_own_limits(bridge, boss, hear):
    program = start(bridge, max_request=1)
    boss(program, "#设为vip user123")
    assert "回答：一" in hear(program, "一") and "回答：二" in hear(program, "二")
    boss(program, "#额度 user123 3")
    assert "回答：三" in hear(program, "三")
    assert "3" in hear(program, "四")
    boss(program, "#取消额度 user123")
    boss(program, "#取消VIP user123")
    assert "上限" in hear(program, "五")
    for typed in ("#额度 user123", "#额度 user123 viel", "#额度 user123 -1", "#允许用户 @张三"):
        assert "没有改动" in boss(program, typed)


def test_the_lists_and_the_record_are_shown_in_private_and_not_in_a_group(bridge, boss):
    program = start(bridge, vip_users=["vip-of-the-file"])
    boss(program, "#禁止用户 bad-one")
    shown = boss(program, "#权限")
    for part in ("bad-one", "vip-of-the-file", "老板", "#禁止用户 bad-one", "#取消VIP"):
        assert part in shown
    assert "bad-one" in boss(program, "#禁止用户")
    for typed in ("#权限", "#禁止用户"):
        in_group = boss(program, typed, conversationType="2", conversationId="cid-1")
        assert "bad-one" not in in_group and "vip-of-the-file" not in in_group and "私聊" in in_group
    (at_ms, who, nick, place, what), = stored(program, "SELECT at_ms, who, nick, place, what FROM audit")
    assert at_ms > 0 and (who, nick, place, what) == ("boss", "老板", "cid-private", "#禁止用户 bad-one")
    assert program.wait_line("audit lists", "by=boss", "bad-one")


def test_only_admins_see_admin_commands_in_the_help(bridge, boss, hear):
    program = start(bridge)
    assert "#权限" in boss(program, "帮助")
    text = hear(program, "帮助")
    assert "#权限" not in text and "群ID" in text and "我的ID" in text
