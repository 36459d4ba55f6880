"""Who may ask: lists, roles, refusals, ids and lengths, through the real program."""
import pytest

from harness import PRIVATE, SECRET, turns_end


def private(user="user123"):
    return {**PRIVATE, "senderStaffId": user}


def test_a_denied_user_is_told_so_with_his_id_and_nobody_is_asked(bridge, hear, llm):
    program = bridge(app_secrets=[SECRET], deny_users=["user123"], allow_users=["user123", "other"])
    assert "`user123`" in hear(program, "你好")
    assert not llm.journal()
    assert "回答：你好" in hear(program, "你好", senderStaffId="other")


def test_an_unlisted_group_is_told_its_id_and_may_still_ask_for_the_ids(bridge, hear, llm):
    program = bridge(app_secrets=[SECRET], allow_groups=["cid-other"])
    assert "`cid-1`" in hear(program, "你好")
    assert "`cid-1`" in hear(program, "群ID") and "`user123`" in hear(program, "我的ID")
    assert program.wait_line("group_id", "cid-1")
    assert "回答：你好" in hear(program, "你好", conversationId="cid-other")
    assert "回答：私聊" in hear(program, "私聊", **private())
    assert len(llm.journal()) == 2


@pytest.mark.parametrize("chat_type, refused, allowed", [("1", {}, private()), ("2", private(), {})])
def test_chat_type_lets_in_one_kind_of_chat(bridge, hear, llm, chat_type, refused, allowed):
    program = bridge(app_secrets=[SECRET], chat_type=chat_type)
    assert "管理员" in hear(program, "你好", **refused)
    assert not llm.journal()
    assert "回答：你好" in hear(program, "你好", **allowed)


def test_whoever_has_no_staff_id_never_slips_past_a_user_list(bridge, hear, llm):
    program = bridge(app_secrets=[SECRET], allow_users=["", "user123"], allow_outgoing_groups=["cid-open"])
    assert "`cid-1`" in hear(program, "外人", senderStaffId=None)
    assert "`cid-1`" in hear(program, "外人", senderStaffId="", senderId="another")
    assert not llm.journal()
    assert "回答：外人" in hear(program, "外人", senderStaffId=None, conversationId="cid-open")


def test_a_list_of_denied_users_is_a_list_too(bridge, hear, llm):
    program = bridge(app_secrets=[SECRET], deny_users=["bad"])
    assert "`cid-1`" in hear(program, "外人", senderStaffId=None)
    assert "回答：你好" in hear(program, "你好")


def test_disabled_outgoing_robots_answer_nowhere(bridge, hear, llm):
    program = bridge(app_secrets=[SECRET], allow_outgoing_groups=["disabled"])
    assert "`cid-1`" in hear(program, "你好", robotCode="normal")
    assert "回答：你好" in hear(program, "你好")
    assert len(llm.journal()) == 1


def test_a_refusal_repeats_once_a_minute_to_one_person_in_one_place(bridge, tell, hear, webhook):
    program = bridge(app_secrets=[SECRET], deny_users=["user123", "second"])
    assert "`user123`" in hear(program, "一")
    silent = [tell(program, text) for text in ("二", "三")]
    assert "`second`" in hear(program, "四", senderStaffId="second")
    turns_end(program)
    assert not any(webhook.texts(session) for session in silent)
    assert b"dingbridge_turns_refused_total 4\n" in program.request("GET", "/metrics")[1]


def test_admins_pass_everywhere_and_have_no_limit_but_only_when_vouched_for(bridge, hear):
    lists = {"admin_users": ["boss"], "deny_users": ["boss"], "chat_type": "1", "max_request": 1}
    program = bridge(app_secrets=[SECRET], **lists)
    for text in ("一", "二", "三"):
        assert f"回答：{text}" in hear(program, text, senderStaffId="boss")
    open_port = bridge(**lists)
    assert "`boss`" in hear(open_port, "你好", is_signed=False, senderStaffId="boss")
    assert "无法确认" in hear(bridge(admin_users=["boss"]), "#权限", is_signed=False, senderStaffId="boss")


def test_vips_have_no_daily_limit_and_what_is_refused_is_not_counted(bridge, hear):
    program = bridge(app_secrets=[SECRET], vip_users=["vip"], max_request=1, max_question_len=20)
    for text in ("一", "二", "三"):
        assert f"回答：{text}" in hear(program, text, senderStaffId="vip")
    too_long = hear(program, "很长的问题" * 100)
    assert "20" in too_long and "太长" in too_long
    assert "回答：短" in hear(program, "短")
    assert "上限" in hear(program, "又一个")


def test_a_question_that_is_just_short_enough_is_asked(bridge, hear, llm):
    program = bridge(app_secrets=[SECRET], max_question_len=8, language="en")
    assert "回答：one two three" in hear(program, "one two three")
    assert "too long" in hear(program, "#图片 " + "a red panda in a library " * 3)
    assert "too long" in hear(program, "#周报 " + "做了很多事情，" * 8)
    assert "帮助" in hear(program, "帮助")
    assert len(llm.journal()) == 1


def test_a_picture_from_somebody_who_may_not_ask_is_refused_as_well(bridge, hear):
    program = bridge(app_secrets=[SECRET], deny_users=["user123"])
    assert "`user123`" in hear(program, "", msgtype="picture", text=None, content={"downloadCode": "x"})


def test_the_environment_gives_the_lists_by_comma(bridge, hear):
    program = bridge(environment={"DENY_USERS": "a, user123 ,,b", "APP_SECRETS": SECRET, "CHAT_TYPE": "0"})
    assert "`user123`" in hear(program, "你好")
