"""What becomes of a card when its answer is stopped, refused, interrupted or paid for too dearly."""
import json
import time

import pytest

from harness import CUSTOM, message, metrics, signed, turns_end, wait_for


def reconfigure(program, **changes):
    """What the program reads at its next start."""
    path = program.directory / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}, ensure_ascii=False))


def growing(gateway, index=0):
    return wait_for(lambda: (lambda cards: cards[index] if len(cards) > index and len(cards[index]["texts"]) > 1 else None)(gateway.cards()),
                    "a card that grows")


def paragraphs(count, chars=300):
    return "\n\n".join(f"第{number}段：" + "字" * chars for number in range(count))


def said_once(text, count):
    return [text.count(f"第{number}段：") for number in range(count)] == [1] * count


@pytest.mark.parametrize("template", [{}, CUSTOM])
@pytest.mark.parametrize("again", [None, {"qps": True, "times": 2}, {"status": 500, "times": 2}])
def test_a_card_that_is_given_up_does_not_type_for_ever(carding, gateway, llm, template, again):
    program = carding(**template)
    text = "给不下去了。" * 12
    llm.script({"text": text, "stutter": 0.05})
    gateway.script({"api": "streaming", "skip": 1, "code": "param.stream.content", "status": 400},
                   *([{"api": "streaming", "match": '"isFinalize":true', **again}] if again else []))
    gateway.say("写")
    assert text in gateway.wait_texts(1)[0]
    gateway.wait_card("完成")
    turns_end(program)
    assert len(gateway.texts()) == 1


def test_a_card_that_shows_its_part_but_cannot_be_finalised_still_goes_on_as_messages(carding, gateway, llm):
    program = carding(**CUSTOM)
    llm.script({"text": paragraphs(12), "chunk": 100, "stutter": 0.05})
    gateway.script({"api": "streaming", "match": '"isFinalize":true', "code": "param.stream.isFull", "status": 400, "times": 99})
    gateway.say("长文")
    gateway.wait_texts(1)
    turns_end(program)
    assert said_once(gateway.cards()[0]["text"] + "".join(gateway.texts()), 12)


def test_line_ends_behind_a_text_that_just_fits_are_no_message_of_their_own(carding, gateway, llm):
    program = carding()
    text = "字" * 2500 + "\n\n"
    llm.script({"text": text, "chunk": 500, "stutter": 0.02})
    gateway.say("满")
    assert gateway.wait_card("完成")["text"] == text.strip()
    turns_end(program)
    assert not gateway.texts()


def test_a_card_makes_no_more_updates_when_the_budget_is_used_up(carding, gateway, llm):
    program = carding(openapi_monthly_budget=6, card_update_interval=100)
    text = "预算用完了也要说完。" * 15
    llm.script({"text": text, "stutter": 0.05, "chunk": 2})
    gateway.say("写")
    assert gateway.wait_card("完成")["text"] == text
    turns_end(program)
    calls = sum(len(gateway.calls(name)) for name in ("create", "streaming", "instances"))
    assert calls <= 8, "what was allowed, and the two that end the card"


def test_the_rest_of_an_answer_comes_after_a_restart_and_its_card_is_left_alone(carding, gateway, llm):
    program = carding()
    text = paragraphs(40)
    llm.script({"text": text, "chunk": 500})
    gateway.script({"api": "webhook", "skip": 1, "stall": 30})
    gateway.say("长文")
    wait_for(lambda: len(gateway.calls("webhook")) == 2, "the second message to be under way")
    card = gateway.cards()[0]
    program.kill()
    reconfigure(program, openapi_monthly_budget=1)  # no card would be made for it any more
    program.start()
    gateway.wait_connected(1)
    wait_for(lambda: "第39段" in "".join(gateway.texts()), "the rest")
    turns_end(program)
    assert gateway.cards() == [card] and said_once(card["text"] + "".join(gateway.texts()), 40)
    assert len([entry for entry in llm.journal() if entry["path"].endswith("/chat/completions")]) == 1


def test_the_rest_is_not_lost_where_cards_were_switched_off_meanwhile(carding, gateway, llm):
    program = carding()
    llm.script({"text": paragraphs(40), "chunk": 500})
    gateway.script({"api": "webhook", "skip": 1, "stall": 30})
    gateway.say("长文")
    wait_for(lambda: len(gateway.calls("webhook")) == 2, "the second message to be under way")
    program.kill()
    reconfigure(program, stream_mode=False)
    program.start()
    gateway.wait_connected(1)
    turns_end(program)
    assert "第39段" in "".join(gateway.texts())


def test_parts_are_the_same_when_the_webhook_ends_between_two_runs(bridge, gateway, llm):
    program = bridge(**gateway.keys())
    gateway.wait_connected(1)
    llm.script({"text": paragraphs(60), "chunk": 2000})
    gateway.script({"api": "webhook", "skip": 2, "stall": 30})
    gateway.say("长文", sessionWebhookExpiredTime=None)
    wait_for(lambda: len(gateway.calls("webhook")) == 3, "the third message to be under way")
    program.kill()
    gateway.tell("expire", session="*")
    program.start()
    gateway.wait_connected(1)
    wait_for(lambda: "第59段" in "".join(gateway.texts()), "the rest")
    turns_end(program)
    assert gateway.sent(via="group") and said_once("".join(gateway.texts()), 60)


def test_parts_are_the_same_when_the_webhook_is_known_to_have_ended_between_two_runs(bridge, gateway, llm):
    program = bridge(**gateway.keys())
    gateway.wait_connected(1)
    llm.script({"text": paragraphs(60), "chunk": 2000})
    gateway.script({"api": "webhook", "skip": 2, "stall": 30})
    ends = int(time.time() * 1000) + 3000
    gateway.say("长文", sessionWebhookExpiredTime=ends)
    wait_for(lambda: len(gateway.calls("webhook")) == 3, "the third message to be under way")
    program.kill()
    wait_for(lambda: time.time() * 1000 > ends, "the webhook's end")
    program.start()
    gateway.wait_connected(1)
    wait_for(lambda: "第59段" in "".join(gateway.texts()), "the rest")
    turns_end(program)
    assert gateway.sent(via="group") and said_once("".join(gateway.texts()), 60)


def test_an_answer_that_does_not_end_in_time_is_left_for_the_next_start_and_its_card_too(carding, gateway, llm):
    program = carding(drain_timeout=1)
    llm.script({"text": "说不完" * 200, "stutter": 0.1})
    gateway.say("写")
    growing(gateway)
    program.process.terminate()
    assert program.wait_end() == 0
    assert gateway.cards()[0]["state"] == "输入中" and not gateway.texts()
    program.start()
    gateway.wait_connected(1)
    assert "回答：写" in gateway.wait_card("完成")["text"]
    turns_end(program)
    assert len(gateway.cards()) == 1 and not gateway.texts()


def test_cards_work_where_messages_come_by_http(bridge, gateway, llm):
    keys = gateway.keys(stream_mode=True, card_template_id="auto", card_update_interval=100)
    program = bridge(**{**keys, "run_mode": "http"})
    text = "网页回调也有卡片。" * 10
    llm.script({"text": text, "stutter": 0.05})
    asked = message("写", gateway.url, "http", robotCode=gateway.APP)
    assert program.post(asked, signed(gateway.SECRET)) == 200
    assert gateway.wait_card("完成")["text"] == text
    turns_end(program)
    assert not gateway.texts() and not gateway.calls("open") and gateway.violations() == []


@pytest.mark.parametrize("changes", [{"conversationType": "1", "senderStaffId": None}, {"robotCode": "normal"}])
def test_who_cannot_be_reached_by_a_card_gets_a_message(carding, gateway, changes):
    program = carding()
    asked = message("没有卡片", gateway.url, "plain", **{"robotCode": gateway.APP, **changes})
    gateway.push(asked, client=gateway.APP)
    assert "回答：没有卡片" in gateway.wait_texts(1)[0]
    turns_end(program)
    assert not gateway.calls("create") and len(gateway.texts()) == 1


def test_people_outside_the_organisation_get_a_card_in_groups_that_mentions_nobody(carding, gateway):
    carding()
    gateway.say("外部群", senderStaffId=None)
    assert "回答：外部群" in gateway.wait_card("完成")["text"]
    assert "atUserIds" not in gateway.calls("create")[0]["json"]["imGroupOpenDeliverModel"]


def test_the_key_of_an_own_template_can_be_named(carding, gateway):
    template = "11111111-2222-3333-4444-555555555555.schema"
    gateway.settings(templates={template: {"keys": ["answer"], "flow": False}})
    program = carding(card_template_id=template, card_content_key="answer")
    gateway.say("自己的模板")
    assert "回答：自己的模板" in gateway.wait_card("完成")["text"]
    turns_end(program)
    assert not gateway.texts() and not gateway.calls("instances") and gateway.violations() == []


def test_tokens_of_both_families_are_renewed_once_and_never_logged(carding, gateway, llm):
    program = carding(log_level="debug", service_url=None)
    gateway.script({"api": "upload", "errcode": 88, "errmsg": "ding talk error", "answer": {"sub_code": "40014"}}, {"api": "create", "invalid_token": True})
    llm.script({"image": "png"})
    gateway.say("#图片 猫")
    assert gateway.wait_card("完成")
    turns_end(program)
    tokens = {each["headers"].get("x-acs-dingtalk-access-token") for each in gateway.journal() if each.get("headers")} - {None}
    assert tokens and not [token for token in tokens if token in program.text()]
    assert gateway.SECRET not in program.text()


@pytest.mark.parametrize("errcode", [40014, 42001])
def test_an_upload_with_a_token_that_ended_is_made_once_more(bridge, gateway, llm, errcode):
    bridge(**gateway.keys(service_url=None))
    gateway.wait_connected(1)
    gateway.script({"api": "upload", "errcode": errcode, "errmsg": "不合法的access_token"})
    llm.script({"image": "png"})
    gateway.say("#图片 猫")
    assert "](@" in gateway.wait_texts(1)[0]
    assert len(gateway.calls("upload")) == 2 and len(gateway.calls("token")) == 2


def test_a_token_that_is_never_taken_is_renewed_only_once_a_call(carding, gateway):
    program = carding()
    gateway.script({"api": "create", "invalid_token": True, "times": 99})
    gateway.say("不行")
    assert "回答：不行" in gateway.wait_texts(1)[0]
    turns_end(program)
    assert len(gateway.calls("create")) == 2 and len(gateway.calls("token")) == 2


def test_stopping_an_answer_that_still_waits_for_its_place(carding, gateway, llm):
    program = carding(llm_parallel=1)
    llm.script({"text": "占着" * 200, "stutter": 0.05})
    gateway.say("先来的", session="first", senderStaffId="first")
    growing(gateway)
    gateway.say("排队的", session="second", senderStaffId="second")
    wait_for(lambda: "dingbridge_turns_open 2\n" in metrics(program), "the second to wait")
    gateway.say("停止", session="stop2", senderStaffId="second")
    wait_for(lambda: gateway.texts("second") and gateway.texts("stop2"), "both to be told")
    assert "已停止" in gateway.texts("second")[0] and "已停止" in gateway.texts("stop2")[0]
    gateway.say("停止", session="stop1", senderStaffId="first")
    gateway.wait_card("完成")
    turns_end(program)
    assert len(gateway.cards()) == 1


def test_stopping_a_picture_that_is_being_drawn(carding, gateway, llm):
    program = carding()
    llm.script({"image": "png", "delay": 30})
    gateway.say("#图片 猫")
    wait_for(lambda: llm.journal() and gateway.cards(), "the question at the LLM")
    gateway.say("停止", session="stop")
    assert "已停止" in gateway.wait_card("完成")["text"] and "已停止" in gateway.wait_texts(1, "stop")[0]
    turns_end(program)


def test_stopping_what_is_only_on_its_way_any_more_changes_nothing(bridge, gateway, llm):
    program = bridge(**gateway.keys())
    gateway.wait_connected(1)
    gateway.script({"api": "webhook", "delay": 1})
    gateway.say("说完了", session="said")
    wait_for(lambda: gateway.calls("webhook"), "the answer to be on its way")
    gateway.say("停止", session="stop")
    assert "没有正在进行" in gateway.wait_texts(1, "stop")[0] and "回答：说完了" in gateway.texts("said")[0]
    turns_end(program)


def test_again_after_a_restart_in_the_middle_still_knows_the_question(bridge, gateway, llm):
    program = bridge(**gateway.keys(default_mode="串聊"))
    gateway.wait_connected(1)
    gateway.say("原来的问题", session="q")
    gateway.wait_texts(1, "q")
    llm.script({"text": paragraphs(40), "chunk": 2000})
    gateway.script({"api": "webhook", "skip": 1, "stall": 30})
    gateway.say("重新生成", session="again")
    wait_for(lambda: len(gateway.calls("webhook")) == 3, "the second part to be under way")
    program.kill()
    program.start()
    gateway.wait_connected(1)
    wait_for(lambda: "第39段" in "".join(gateway.texts("again")), "the rest")
    turns_end(program)
    gateway.say("重新生成", session="third")
    gateway.wait_texts(1, "third")
    asked = [entry["json"]["messages"] for entry in llm.journal() if entry["path"].endswith("/chat/completions")]
    assert [each["content"] for each in asked[-1]] == ["原来的问题"]
