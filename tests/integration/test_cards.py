"""Answers that grow in cards, and what happens when DingTalk does not want them."""
import pytest

from harness import CUSTOM, metrics, turns_end, wait_for


@pytest.mark.parametrize("template", [{}, CUSTOM])
@pytest.mark.parametrize("kind", ["1", "2"])
def test_an_answer_types_itself_into_a_card(carding, gateway, llm, template, kind):
    program = carding(**template)
    llm.script({"text": "一字一句地写出来，慢慢变长。" * 10, "stutter": 0.05, "chunk": 8})
    gateway.say("写", conversationType=kind)
    card = gateway.wait_card("完成")
    assert card["text"] == "一字一句地写出来，慢慢变长。" * 10
    texts = card["texts"]
    assert len(texts) > 3 and all(later.startswith(earlier) for earlier, later in zip(texts, texts[1:]))
    turns_end(program)
    assert not gateway.texts() and gateway.violations() == []


def test_thoughts_that_only_end_with_a_tag_leave_the_card(carding, gateway, llm):
    carding()
    llm.script({"text": "让我想想这个秘密" * 10 + "\n</think>\n\n" + "答案是四十二。" * 5, "stutter": 0.03})
    gateway.say("多少")
    assert gateway.wait_card("完成")["text"] == "答案是四十二。" * 5


def test_the_first_words_are_seen_at_once(carding, gateway, llm):
    carding()
    llm.script({"text": "先" + "后" * 50, "chunk": 1, "stutter": 0.1})
    gateway.say("快")
    card = gateway.wait_card("完成")
    updates = [each for each in gateway.calls("streaming")]
    asked = [each for each in llm.journal()][0]["time"]
    assert updates[0]["time"] - asked < 0.5
    gaps = [later["time"] - earlier["time"] for earlier, later in zip(updates, updates[1:-1])]
    assert min(gaps) > 0.08, "updates come too fast"
    assert card["finalized"]


def test_commands_and_refusals_are_messages_and_not_cards(carding, gateway):
    carding()
    gateway.say("帮助")
    gateway.wait_texts(1)
    assert not gateway.cards()


def test_without_a_template_the_answer_comes_whole(carding, gateway):
    carding(card_template_id=None)
    gateway.say("整段")
    assert "回答：整段" in gateway.wait_texts(1)[0]
    assert not gateway.cards()


@pytest.mark.parametrize("fault", [{"code": "param.templateNotExist", "status": 400}, {"status": 500, "times": 9}, {"deliver_fails": True}, {"html": True, "times": 9},
                                   {"code": "Forbidden.AccessDenied.AccessTokenPermissionDenied", "status": 403}])
def test_a_card_that_cannot_be_made_becomes_an_ordinary_message(carding, gateway, fault):
    program = carding()
    gateway.script({"api": "create", **fault})
    gateway.say("没有卡片")
    assert "回答：没有卡片" in gateway.wait_texts(1)[0]
    turns_end(program)
    assert len(gateway.texts()) == 1


@pytest.mark.parametrize("n", [0, 1, 3])
@pytest.mark.parametrize("fault", [{"qps": True, "times": 2}, {"status": 500, "times": 2}, {"cut": "after", "times": 1}, {"html": True, "times": 1}])
def test_an_update_that_fails_is_made_up_for(carding, gateway, llm, n, fault):
    program = carding()
    gateway.script({"api": "streaming", "skip": n, **fault})
    text = "还是完整的回答。" * 12
    llm.script({"text": text, "stutter": 0.05})
    gateway.say("写")
    card = gateway.wait_card("完成")
    assert card["text"] == text and not gateway.texts()
    turns_end(program)
    # A call that libcurl repeats by itself on a new connection is the same call: it has the same guid and the same content.
    calls = {(each["json"]["guid"], each["json"]["content"], each["json"]["isFinalize"]) for each in gateway.calls("streaming")}
    assert len({guid for guid, _, _ in calls}) == len(calls)


@pytest.mark.parametrize("fault", [{"code": "param.stream.content", "status": 400}, {"code": "Forbidden.AccessDenied.ApiCountLimitForOrg", "status": 403}])
def test_an_answer_whose_card_is_refused_in_the_middle_still_arrives(carding, gateway, llm, fault):
    program = carding()
    text = "无论如何都要说完。" * 12
    llm.script({"text": text, "stutter": 0.05})
    gateway.script({"api": "streaming", "skip": 1, "times": 99, **fault})
    gateway.say("写")
    assert text in gateway.wait_texts(1)[0]
    turns_end(program)
    assert len(gateway.texts()) == 1


def test_what_is_too_long_for_a_card_goes_on_as_messages(carding, gateway, llm):
    program = carding()
    text = "\n\n".join(f"第{number}段：" + "字" * 300 for number in range(30))
    llm.script({"text": text, "chunk": 200, "stutter": 0.01})
    gateway.say("长文")
    card = gateway.wait_card("完成")
    rest = "".join(gateway.wait_texts(1))
    turns_end(program)
    everything = card["text"] + "".join(gateway.texts())
    assert [everything.count(f"第{number}段：") for number in range(30)] == [1] * 30
    assert not card["is_blank"] and rest and gateway.violations() == []


def test_a_fence_that_is_cut_is_closed_in_the_card_and_opened_again_behind_it(carding, gateway, llm):
    program = carding()
    llm.script({"text": "看代码：\n```python\n" + "\n".join(f"print({number})  # 一行不算长的代码" for number in range(400)) + "\n```\n完", "chunk": 300})
    gateway.say("代码")
    card = gateway.wait_card("完成")
    turns_end(program)
    assert card["text"].count("```") == 2 and card["text"].rstrip().endswith("```")
    assert "```python\n" in gateway.texts()[0]
    everything = card["text"] + "".join(gateway.texts())
    assert [everything.count(f"print({number}) ") for number in range(400)] == [1] * 400


def test_an_error_of_the_model_ends_the_card_as_well(carding, gateway, llm):
    carding()
    llm.script({"cut_after": 3, "text": "说到一半就断了" * 5})
    gateway.say("断")
    assert "没有说完" in gateway.wait_card("完成")["text"]
    llm.script({"status": 401, "body": "{}"})
    gateway.say("错", senderStaffId="other")
    cards = wait_for(lambda: (lambda found: found if len(found) == 2 and all(each["finalized"] for each in found) else None)(gateway.cards()), "both cards")
    assert "密钥" in cards[1]["text"]


def test_the_stop_button_and_the_word_stop_end_the_answer(carding, gateway, llm):
    program = carding()
    for number, stop in enumerate((lambda card: gateway.press(card, "btn_stop"), lambda card: gateway.say("停止", session="stopping"))):
        llm.script({"text": "没完没了" * 500, "stutter": 0.05})
        gateway.say("讲", session=f"s{number}")
        card = wait_for(lambda: (lambda cards: cards[number] if len(cards) > number and len(cards[number]["texts"]) > 1 else None)(gateway.cards()), "a card that grows")
        stop(card)
        card = wait_for(lambda: (lambda found: found if found["finalized"] else None)(gateway.cards()[number]), "the card to be final")
        assert "没完没了" in card["text"] and "已停止" in card["text"]
        turns_end(program)
    ack = [each for each in gateway.acks(topic="/v1.0/card/instances/callback")][0]
    assert ack["latency_ms"] < 2000


def test_somebody_elses_press_of_the_button_does_nothing(carding, gateway, llm):
    program = carding()
    llm.script({"text": "别人停不了" * 10, "stutter": 0.05})
    gateway.say("讲")
    card = wait_for(lambda: gateway.cards(), "the card")[0]
    gateway.press(card, "btn_stop", user="stranger")
    program.wait_line("card action", "not the asker")
    assert gateway.wait_card("完成")["text"] == "别人停不了" * 10


def test_a_card_left_open_by_a_kill_is_finished_after_the_next_start(carding, gateway, llm):
    program = carding()
    llm.script({"text": "写到一半" * 100, "stutter": 0.1})
    gateway.say("写")
    wait_for(lambda: gateway.cards() and len(gateway.cards()[0]["texts"]) > 1, "the card to grow")
    program.kill()
    program.start()
    gateway.wait_connected(1)
    card = gateway.wait_card("完成")
    assert "回答：写" in card["text"] and len(gateway.cards()) == 1 and not gateway.texts()


def test_many_cards_share_the_rate_that_dingtalk_allows(carding, gateway, llm):
    gateway.settings(qps={"streaming": 20})
    program = carding(card_update_interval=100)
    llm.script({"text": "大家一起写。" * 20, "stutter": 0.05, "times": 30})
    for number in range(20):
        gateway.say(f"第{number}", session=f"m{number}", senderStaffId=f"u{number}")
    wait_for(lambda: len([card for card in gateway.cards() if card["finalized"]]) == 20, "every card", timeout_s=60)
    assert all(card["text"] == "大家一起写。" * 20 for card in gateway.cards())
    turns_end(program)
    assert not gateway.texts()


def test_an_expired_webhook_is_replaced_by_the_robots_own_api(bridge, gateway):
    program = bridge(**gateway.keys())
    gateway.wait_connected(1)
    gateway.tell("expire", session="*")
    gateway.say("群里", session="old1")
    gateway.say("私聊", session="old2", conversationType="1", senderStaffId="user456")
    wait_for(lambda: len(gateway.sent(via="group")) == 1 and len(gateway.sent(via="oto")) == 1, "both answers")
    past = 1613635652738
    gateway.say("早就过期", session="old3", sessionWebhookExpiredTime=past)
    wait_for(lambda: len(gateway.sent(via="group")) == 2, "the third answer")
    assert len([each for each in gateway.calls("webhook")]) == 2, "the one that was known to be over is not tried"
    turns_end(program)
    assert gateway.violations() == []


def test_a_long_answer_changes_over_in_the_middle(bridge, gateway, llm):
    program = bridge(**gateway.keys())
    gateway.wait_connected(1)
    text = "\n\n".join(f"第{number}段：" + "字" * 1000 for number in range(15))
    llm.script({"text": text, "chunk": 2000})
    gateway.script({"api": "webhook", "skip": 1, "times": 9, "errcode": 300001, "errmsg": "session 不存在"})
    gateway.say("长文")
    turns_end_or = wait_for(lambda: len(gateway.sent(via="group")) >= 2, "the rest")
    assert turns_end_or
    turns_end(program)
    everything = "".join(gateway.texts())
    assert [everything.count(f"第{number}段：") for number in range(15)] == [1] * 15


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp"])
def test_pictures_go_up_to_dingtalk_and_are_shown_by_their_id(bridge, gateway, llm, kind):
    bridge(**gateway.keys(service_url=None))
    gateway.wait_connected(1)
    llm.script({"image": kind})
    gateway.say("#图片 猫")
    text = gateway.wait_texts(1)[0]
    upload, = gateway.uploads()
    assert f"]({upload['media_id']})" in text and upload["format"] == ("png" if kind == "webp" else kind.replace("jpeg", "jpg"))
    assert gateway.violations() == []


def test_a_picture_that_dingtalk_does_not_take_is_shown_from_here(bridge, gateway, llm):
    program = bridge(**gateway.keys())
    gateway.wait_connected(1)
    gateway.script({"api": "upload", "errcode": 40006, "errmsg": "too big"})
    gateway.say("#图片 猫")
    assert "http://bridge.example:8090/images/" in gateway.wait_texts(1)[0]
    assert program.wait_line("media not_uploaded")


def test_tokens_are_fetched_once_and_again_when_they_are_refused(carding, gateway, llm):
    program = carding()
    for number in range(5):
        gateway.say(f"问{number}", senderStaffId=f"u{number}")
    wait_for(lambda: len([card for card in gateway.cards() if card["finalized"]]) == 5, "five cards")
    assert len(gateway.calls("token")) == 1
    gateway.tell("invalidate", client=gateway.APP)
    gateway.say("令牌换了")
    wait_for(lambda: len([card for card in gateway.cards() if card["finalized"]]) == 6, "the sixth card")
    assert len(gateway.calls("token")) == 2
    turns_end(program)
    token = gateway.calls("token")[0]
    assert "secret-of" not in program.text() and token


def test_the_meter_counts_tells_the_admins_and_ends_the_cards(carding, gateway, llm):
    program = carding(openapi_monthly_budget=20, admin_users=["boss1", "boss2"], card_update_interval=100)
    llm.script({"text": "计数" * 40, "stutter": 0.03, "times": 9})
    for number in range(8):
        gateway.say(f"问{number}", session=f"b{number}", senderStaffId=f"u{number}")
        wait_for(lambda: len([card for card in gateway.cards() if card["finalized"]]) + len(gateway.texts(via="webhook")) > number, "the answer")
    told = gateway.sent(via="oto")
    assert sorted(user for each in told for user in each["users"]) == ["boss1", "boss2"] and "20" in told[0]["text"]
    assert gateway.texts(via="webhook"), "beyond the budget answers go by webhook"
    counted = sum(int(line.rsplit(" ", 1)[1]) for line in metrics(program).splitlines() if line.startswith("dingbridge_openapi_calls_month{"))
    metered = sum(len(gateway.calls(name)) for name in ("create", "streaming", "instances", "oto", "group", "upload"))
    assert counted == metered
    program.stop()
    program.start()
    again = wait_for(lambda: "dingbridge_openapi_calls_month{" in metrics(program) and metrics(program), "the counts from the store")
    assert sum(int(line.rsplit(" ", 1)[1]) for line in again.splitlines() if line.startswith("dingbridge_openapi_calls_month{")) == counted
    gateway.wait_connected(1)
    gateway.say("重启以后", session="after")
    gateway.wait_texts(1, "after")
    assert len(gateway.sent(via="oto")) == 2, "told once"
