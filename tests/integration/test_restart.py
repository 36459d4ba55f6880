"""What survives: kill, restart, drain."""
import signal
import sqlite3
import threading

from harness import message, turns_end, wait_for


def test_killed_during_twenty_requests_every_acknowledged_one_is_answered(bridge, webhook, llm):
    llm.script({"stutter": 0.05, "times": 1000})
    program = bridge()
    acknowledged = []

    def send(number):
        try:
            if program.post(message(f"第{number}问", webhook.url, f"k{number}", senderStaffId=f"u{number % 5}", msgId=f"kill-{number}")) == 200:
                acknowledged.append(number)
        except OSError:
            pass

    threads = [threading.Thread(target=send, args=(number,)) for number in range(20)]
    for index, thread in enumerate(threads):
        thread.start()
        if index == 12:
            wait_for(lambda: len(webhook.delivered()) >= 1, "the first answer")
    for thread in threads[:16]:
        thread.join()
    program.kill()
    for thread in threads:
        thread.join()
    assert acknowledged
    program.start()
    for number in acknowledged:
        assert f"第{number}问" in webhook.wait_texts(1, f"k{number}")[0]
    turns_end(program)
    repeats = [number for number in acknowledged if len(webhook.texts(f"k{number}")) > 1]
    assert len(repeats) <= 5  # one moment a session, between DingTalk's ok and our note of it


def test_a_second_kill_does_not_lose_or_double(bridge, webhook, llm):
    llm.script({"delay": 60, "times": 1})
    program = bridge()
    assert program.post(message("顽强", webhook.url, "twice")) == 200
    wait_for(lambda: llm.journal(), "the question at the LLM")
    program.kill()
    llm.script({"delay": 60, "times": 1})
    program.start()
    wait_for(lambda: len(llm.journal()) == 2, "the question again")
    program.kill()
    program.start()
    assert "顽强" in webhook.wait_texts(1, "twice")[0]
    turns_end(program)
    assert len(webhook.texts("twice")) == 1


def test_an_answer_in_parts_goes_on_where_it_was(bridge, webhook, llm):
    parts = "\n\n".join(f"第{number}段" + "字" * 1000 for number in range(30))
    llm.script({"text": parts, "chunk": 2000})
    webhook.script({}, {}, {"delay": 60})
    program = bridge()
    assert program.post(message("写", webhook.url, "parts")) == 200
    database = program.directory / "data" / "dingbridge.db"
    wait_for(lambda: sqlite3.connect(database).execute("select parts_sent from inbox").fetchone() == (2,), "two parts to be noted")
    program.kill()
    assert not program.lines("turn answered")
    webhook.script()
    program.start()
    program.wait_line("turn answered")
    joined = "\n".join(text for text in webhook.texts("parts"))
    assert [joined.count(f"第{number}段") for number in range(30)] == [1] * 30
    assert len(llm.journal()) == 1


def test_parts_whose_progress_was_not_stored_are_sent_again_rather_than_left_out(bridge, webhook, llm):
    first, second = ["\n\n".join(f"{name}第{number}段" + "字" * 1000 for number in range(30)) for name in ("甲", "乙")]
    llm.script({"text": first, "chunk": 2000}, {"text": second, "chunk": 2000})
    webhook.script({}, {}, {"delay": 60})
    program = bridge()
    with sqlite3.connect(program.directory / "data" / "dingbridge.db") as database:
        database.execute("create trigger t before update of parts_sent on inbox when new.parts_sent = 1"
                         " begin select raise(abort, 'broken'); end")
    assert program.post(message("写", webhook.url, "parts")) == 200
    wait_for(lambda: len(webhook.delivered()) == 2, "two parts")
    program.wait_line("progress_not_stored")
    rows = lambda: database.execute("select parts_sent from inbox").fetchall()
    wait_for(lambda: rows() == [(2,)], "the second part's note")
    program.kill()
    webhook.script()
    program.start()
    wait_for(lambda: program.lines("turn answered"), "the rest")
    joined = "\n".join(text for text in webhook.texts("parts"))
    assert any(all(f"{name}第{number}段" in joined for number in range(30)) for name in ("甲", "乙"))


def test_what_was_left_is_answered_before_what_comes_after_the_restart(bridge, webhook, llm):
    llm.script({"delay": 60})
    program = bridge()
    assert program.post(message("第一问", webhook.url, "order")) == 200
    wait_for(lambda: llm.journal(), "the question at the LLM")
    program.kill()
    program.start()  # the inbox is read before anything else is stored
    assert program.post(message("第二问", webhook.url, "order")) == 200
    texts = webhook.wait_texts(2, "order")
    assert "第一问" in texts[0] and "第二问" in texts[1]


def test_more_than_may_be_pending_is_taken_up_after_a_restart_all_the_same(bridge, webhook, llm):
    llm.script({"delay": 60, "times": 200})
    program = bridge()
    for number in range(120):
        assert program.post(message("单聊" if number % 5 else "问", webhook.url, f"many{number}", senderStaffId="u")) == 200
    program.kill()
    llm.script()
    program.environment["MAX_PENDING"] = "1"
    program.start()
    wait_for(lambda: all(webhook.texts(f"many{number}") for number in range(120)), "every answer")


def test_sigterm_finishes_what_runs_and_takes_nothing_new(bridge, webhook, llm):
    llm.script({"stutter": 0.1, "text": "说完再走" * 5})
    program = bridge()
    assert program.post(message("问", webhook.url, "drain")) == 200
    wait_for(lambda: llm.journal(), "the question at the LLM")
    program.process.send_signal(signal.SIGTERM)
    assert "说完再走" in webhook.wait_texts(1, "drain")[0]
    assert program.wait_end() == 0
    program.start()
    turns_end(program)
    assert len(webhook.texts("drain")) == 1


def test_what_the_drain_could_not_finish_is_answered_after_the_next_start(bridge, webhook, llm):
    llm.script({"delay": 60})
    program = bridge(drain_timeout=1)
    assert program.post(message("问", webhook.url, "later")) == 200
    wait_for(lambda: llm.journal(), "the question at the LLM")
    program.stop()
    assert not webhook.texts("later")
    program.start()
    assert "回答：问" in webhook.wait_texts(1, "later")[0]


def test_two_programs_do_not_share_one_store(bridge, tmp_path):
    from harness import Bridge
    first = bridge()
    second = Bridge(first.directory, None, expect_ready=False)
    assert second.wait_end() != 0 and "store" in second.text()
