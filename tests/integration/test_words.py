"""Words that are not to be said: in questions, in answers, in cards, and how their list changes."""
import signal
import sqlite3

import pytest

from harness import PRIVATE, SECRET, Bridge, turns_end, wait_for

MASK = "🚫"


def exchanges(program):
    def read():
        with sqlite3.connect(f"file:{program.directory}/data/dingbridge.db?mode=ro", uri=True) as connection:
            return connection.execute("SELECT kind, question, answer, outcome FROM exchange ORDER BY id").fetchall()
    turns_end(program)
    return read()


@pytest.mark.parametrize("typed", ["怎样翻墙？", "ＶＰＮ怎么用", "vpn", "#周报 翻墙", "#图片 vPn"])
def test_a_question_with_a_word_is_refused_and_neither_sent_nor_counted(bridge, hear, llm, typed):
    program = bridge(app_secrets=[SECRET], sensitive_words=["翻墙", " ", "Vpn", ""], max_request=1)
    assert "不允许的词" in hear(program, typed)
    assert not llm.journal()
    kind = "template" if "周报" in typed else "image" if "图片" in typed else "question"
    assert exchanges(program) == [(kind, typed.split()[-1], "", "refused")]
    assert "回答：好的" in hear(program, "好的")
    assert "上限" in hear(program, "还有")


def test_commands_are_no_questions(bridge, hear):
    assert "单聊" in hear(bridge(app_secrets=[SECRET], sensitive_words=["帮助"]), "帮助")


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
def test_in_an_answer_each_character_is_masked_wherever_the_chunks_end(bridge, hear, llm, chunk):
    program = bridge(app_secrets=[SECRET], sensitive_words=["机密文件", "密文", "ＶＰＮ"], default_mode="串聊")
    llm.script({"text": "这是机密文件，密文，机密，和vpn、Vp。机密文", "chunk": chunk})
    masked = f"这是{MASK * 4}，{MASK * 2}，机密，和{MASK * 3}、Vp。机{MASK * 2}"
    assert hear(program, "一").endswith(masked)
    assert exchanges(program) == [("question", "一", masked, "answered")]
    hear(program, "二")
    assert {"role": "assistant", "content": masked} in llm.journal()[-1]["json"]["messages"]


def test_what_a_card_shows_never_has_a_word_and_never_changes(bridge, gateway, llm):
    bridge(**gateway.keys(stream_mode=True, card_template_id="auto", card_update_interval=100, sensitive_words=["机密文件", "绝密"]))
    gateway.wait_connected()
    text = "前言：机密与机密文件，绝不是绝密。" * 6
    llm.script({"text": text, "chunk": 1, "stutter": 0.02})
    gateway.say("写")
    card = gateway.wait_card("完成")
    assert card["text"] == text.replace("机密文件", MASK * 4).replace("绝密", MASK * 2)
    texts = card["texts"]
    assert len(texts) > 5 and all(later.startswith(earlier) for earlier, later in zip(texts, texts[1:]))
    assert gateway.violations() == []


def test_an_answer_that_is_cut_shows_what_was_held_back(bridge, hear, llm):
    program = bridge(app_secrets=[SECRET], sensitive_words=["机密文件"])
    llm.script({"text": "这是机密文件，还有机密文，后面没有了", "chunk": 2, "cut_after": 6})
    said = f"这是{MASK * 4}，还有机密文"
    assert said in hear(program, "一")
    assert exchanges(program) == [("question", "一", said, "cut")]


def test_more_words_come_from_a_file(bridge, hear, llm):
    program = bridge(app_secrets=[SECRET], sensitive_words=["甲"], sensitive_words_file="words.txt",
                     files={"words.txt": "\ufeff# 注释\r\n乙\r\n\r\n  丙 丁  \n#戊\n己"})
    for typed in ("甲", "乙", "丙　丁", "己"):
        assert "不允许的词" in hear(program, typed)
    for typed in ("丙", "注释", "戊"):
        assert "回答：" in hear(program, typed)


@pytest.mark.parametrize("content, problem", [
    (b"\xe4\xb9\x99\n\xff\xfe\n", "words.txt:2: "), ("好\n\n".encode() + b"x" * 257 + b"\n", "words.txt:3: "), (b"a\0b\n", "words.txt:1: "),
    (None, "config.json: sensitive_words_file: ")], ids=["no UTF-8", "too long", "NUL", "no file"])
def test_a_file_that_cannot_be_used_is_named_with_its_line(tmp_path, content, problem):
    path = tmp_path / "words.txt"
    if content is not None:
        path.write_bytes(content)
    program = Bridge(tmp_path / "run", {"provider": "demo", "port": 0, "sensitive_words_file": str(path)}, expect_ready=False)
    assert program.wait_end() == 78
    assert problem in program.text()


def test_admins_change_the_words_in_chat(bridge, hear):
    program = bridge(app_secrets=[SECRET], admin_users=["boss"], sensitive_words=["甲"])
    def boss(text, **changes):
        return hear(program, text, senderStaffId="boss", **{**PRIVATE, **changes})
    assert "2" in boss("#敏感词 增加 乙，丙")
    assert "不允许的词" in hear(program, "乙") and "不允许的词" in hear(program, "丙")
    shown = boss("#敏感词")
    assert all(f"`{word}`" in shown for word in "甲乙丙")
    assert "`甲`" not in boss("#敏感词", conversationType="2")
    boss("#敏感词 删除 甲 乙")
    assert "回答：甲乙" in hear(program, "甲乙")
    program.stop()
    program.start()
    assert "不允许的词" in hear(program, "丙") and "回答：甲" in hear(program, "甲")
    for typed in ("#敏感词", "#敏感词 增加 丁", "#敏感词 删除 丙"):
        assert "管理员" in hear(program, typed)
    assert "不允许的词" in hear(program, "丙") and "回答：丁" in hear(program, "丁")


def test_a_word_that_was_added_since_keeps_the_last_question_from_being_asked_again(bridge, hear, llm):
    program = bridge(app_secrets=[SECRET], admin_users=["boss"])
    assert "回答：乙" in hear(program, "乙")
    hear(program, "#敏感词 增加 乙", senderStaffId="boss", **PRIVATE)
    assert "不允许的词" in hear(program, "甲乙")
    asked = len(llm.journal())
    assert "不允许的词" in hear(program, "重新生成").replace("现在", "")
    assert len(llm.journal()) == asked


def test_the_file_is_read_again_while_running_and_a_broken_one_changes_nothing(bridge, hear):
    program = bridge(app_secrets=[SECRET], sensitive_words_file="words.txt", files={"words.txt": "甲\n"})
    words = program.directory / "words.txt"
    words.write_text("乙\n")
    program.process.send_signal(signal.SIGHUP)
    program.wait_line("reloaded")
    assert "不允许的词" in hear(program, "乙") and "回答：甲" in hear(program, "甲")
    words.write_bytes(b"\xff\n")
    program.process.send_signal(signal.SIGHUP)
    program.wait_line("not_reloaded")
    assert program.wait_line("words.txt:1:") and "不允许的词" in hear(program, "乙")


def test_a_running_answer_keeps_the_words_it_began_with(bridge, gateway, llm):
    program = bridge(**gateway.keys(stream_mode=True, card_template_id="auto", card_update_interval=100, sensitive_words=["甲"], admin_users=["boss"]))
    gateway.wait_connected()
    llm.script({"text": "甲乙" * 20, "chunk": 1, "stutter": 0.05})
    gateway.say("写")
    wait_for(lambda: any(MASK in card["text"] for card in gateway.cards()), "the answer to begin")
    gateway.say("#敏感词 增加 乙", senderStaffId="boss", **PRIVATE)
    gateway.wait_texts(1)
    assert gateway.cards()[0]["state"] != "完成"
    assert gateway.wait_card("完成")["text"] == (MASK + "乙") * 20
    program.stop()
