"""A disk that fills up or breaks, and kill -9 at every moment of the store."""
import signal
import sqlite3
import subprocess

import pytest

from harness import IS_SHORT, ROOT, message, wait_for


@pytest.fixture(scope="session")
def disk(tmp_path_factory):
    """disk(**settings): the environment in which tests/doubles/disk.c stands between the program and its database."""
    library = tmp_path_factory.mktemp("disk") / "disk.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", library, ROOT / "tests" / "doubles" / "disk.c", "-lpthread"], check=True)

    def environment(**settings):
        return {"LD_PRELOAD": str(library), "DISK_MATCH": "dingbridge.db", "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:verify_asan_link_order=0",
                **{f"DISK_{key.upper()}": str(value) for key, value in settings.items()}}

    return environment


def rows(program, sql):
    with sqlite3.connect(program.directory / "data" / "dingbridge.db") as database:
        return database.execute(sql).fetchall()


def all_turns_have_ended(program):
    """Those of an earlier run too, which may not have been taken up yet."""
    return rows(program, "select count(*) from inbox where done_ms is null") == [(0,)] and \
        b"dingbridge_turns_open 0\n" in program.request("GET", "/metrics")[1]


@pytest.mark.parametrize("state", ["full", "broken"])
def test_a_message_that_a_bad_disk_did_not_take_is_answered_once_when_it_comes_again(bridge, webhook, llm, disk, tmp_path, state):
    switch = tmp_path / "state"
    program = bridge(environment=disk(state=switch))
    assert program.post(message("先", webhook.url, "disk")) == 200
    webhook.wait_texts(1, "disk")
    wait_for(lambda: all_turns_have_ended(program), "the first turn to end")
    switch.write_text(state)
    refused = message("写不进去", webhook.url, "disk")
    for _ in range(3):
        assert program.post(refused) == 503
    wait_for(lambda: len(program.lines("not_stored")) == 3, "a line for each")
    assert len(program.lines("store failing")) == 1
    switch.unlink()
    for _ in range(3):
        assert program.post(refused) == 200
    webhook.wait_texts(2, "disk")
    wait_for(lambda: all_turns_have_ended(program), "all turns to end")
    assert len(webhook.texts("disk")) == 2 and len(llm.journal()) == 2
    assert program.wait_line("store recovered")
    assert rows(program, "select requests from usage") == [(2,)]


@pytest.mark.parametrize("state", ["full", "broken"])
def test_a_disk_that_goes_bad_under_a_running_turn_costs_neither_answer_nor_end(bridge, webhook, llm, disk, tmp_path, state):
    switch = tmp_path / "state"
    llm.script({"delay": 1})
    program = bridge(environment=disk(state=switch))
    assert program.post(message("问", webhook.url, "under")) == 200
    wait_for(lambda: llm.journal(), "the question at the LLM")
    switch.write_text(state)
    program.wait_line("error", "not_settled")
    assert len(webhook.texts("under")) == 1
    switch.unlink()
    wait_for(lambda: all_turns_have_ended(program), "the turn to end")
    program.stop()
    program.start()
    wait_for(lambda: all_turns_have_ended(program), "nothing to resume")
    assert len(webhook.texts("under")) == 1
    assert rows(program, "select outcome from exchange") == [("answered",)]


def conversation(webhook):
    """A mode, a question in it, and one whose answer takes three messages: what DingTalk sends one after another."""
    long = "\n\n".join(f"para{number} " + "word " * 180 for number in range(50))
    return [message(text, webhook.url, session, msgId=session) for session, text in [("mode", "串聊"), ("short", "问题"), ("long", long)]]


def send_while_alive(program, messages):
    """Those that were not acknowledged before the program died."""
    for index, one in enumerate(messages):
        try:
            if program.post(one) != 200:
                return messages[index:]
        except OSError:
            return messages[index:]
    return []


def check_conversation(program, webhook, n_repeats_allowed):
    texts = {session: webhook.texts(session) for session in ("mode", "short", "long")}
    assert all("串聊" in text for text in texts["mode"]) and texts["mode"]
    assert all("（前面有 0 条）" in text for text in texts["short"]) and texts["short"]
    long = "\n".join(texts["long"])
    assert "（前面有 2 条）" in long and all(f"para{number} " in long for number in range(50))
    assert sum(len(parts) for parts in texts.values()) - 5 <= n_repeats_allowed
    assert rows(program, "select kind, outcome from exchange") == [("question", "answered")] * 2
    assert rows(program, "select requests from usage") == [(2,)]


def live_and_die(bridge, webhook, llm, environment):
    """One life that ends at the given moment, its clean end included, and the next one. False when the moment did not come."""
    webhook.reset()
    llm.reset()
    program = bridge(environment=environment, expect_ready=False, max_text=200000)

    def is_over():
        if program.process.poll() is not None:
            return True
        try:
            return len(webhook.texts("long")) == 3 and all_turns_have_ended(program)
        except OSError:
            return False  # it dies just now

    wait_for(lambda: program.port or program.process.poll() is not None, "a start or an end")
    left = send_while_alive(program, conversation(webhook)) if program.port else conversation(webhook)
    wait_for(is_over, "the end of all turns, or of the program")
    program.process.terminate()
    code = program.wait_end()
    assert code in (0, -signal.SIGKILL), program.text()
    program.environment.pop("LD_PRELOAD")
    program.start()
    assert send_while_alive(program, left) == []
    wait_for(lambda: all_turns_have_ended(program), "all turns to end")
    check_conversation(program, webhook, 1 if code else 0)
    program.stop()
    return code != 0


@pytest.mark.long
@pytest.mark.parametrize("first", [1] if IS_SHORT else [1, 2, 3, 4])
def test_killed_at_every_moment_of_the_store_nothing_is_lost_and_at_most_one_message_repeated(bridge, webhook, llm, disk, first):
    moment = first
    while live_and_die(bridge, webhook, llm, disk(kill_at=moment)):
        moment += 4
    assert moment > 20
