"""Forgetting: by oneself, by age, and on the command line; and taking what one person said along."""
import contextlib
import csv
import io
import json
import os
import sqlite3
import subprocess

import pytest

import harness
from harness import BINARY, SECRET, wait_for

DAY_MS = 24 * 3600 * 1000


def run(program, *arguments):
    """A subcommand in the program's directory: (exit code, output, errors)."""
    done = subprocess.run([BINARY, *arguments], cwd=program.directory, env=program.environment, capture_output=True, timeout=60)
    errors = done.stderr.decode()
    assert not harness.SANITIZER_REPORT.search(errors), errors
    return done.returncode, done.stdout.decode(), errors


def stored(program, what, *values):
    with contextlib.closing(sqlite3.connect(program.directory / "data" / "dingbridge.db", timeout=20)) as connection, connection:
        return connection.execute(what, values).fetchall()


def questions(program):
    return [question for question, in stored(program, "SELECT question FROM exchange ORDER BY id")]


def settled(program, count):
    wait_for(lambda: len(questions(program)) >= count, f"{count} exchanges")


def test_one_forgets_oneself_after_confirming_and_nobody_else(bridge, hear, llm):
    program = bridge(app_secrets=[SECRET], default_mode="串聊")
    hear(program, "我的秘密")
    hear(program, "别处的秘密", conversationId="cid-2")
    hear(program, "别人的话", senderStaffId="other")
    settled(program, 3)
    counts = stored(program, "SELECT day, user, requests, prompt_tokens FROM usage ORDER BY user")
    asked = hear(program, "#遗忘我")
    assert "#遗忘我 确认" in asked and len(questions(program)) == 3
    assert "2 条" in hear(program, "#遗忘我 确认")
    assert questions(program) == ["别人的话"]
    hear(program, "我刚才说了什么")
    assert "秘密" not in json.dumps(llm.journal()[-1]["json"], ensure_ascii=False)
    settled(program, 2)
    after = stored(program, "SELECT day, user, requests, prompt_tokens FROM usage ORDER BY user")
    assert [(row[1], row[2]) for row in after] == [("other", 1), ("user123", 3)] and after[0] == counts[0]
    assert ("user123", "#遗忘我 确认") in stored(program, "SELECT who, what FROM audit")
    program.stop()
    data = program.directory / "data"
    assert "秘密".encode() not in b"".join(path.read_bytes() for path in data.iterdir() if path.is_file())


def test_nobody_forgets_another_by_taking_his_name(bridge, hear):
    program = bridge()
    hear(program, "秘密", is_signed=False)
    settled(program, 1)
    assert "没有删除" in hear(program, "#遗忘我 确认", is_signed=False) and questions(program) == ["秘密"]


def test_what_is_older_than_retention_days_goes_at_the_start(bridge, hear):
    program = bridge(app_secrets=[SECRET], retention_days=30)
    for text in ("老的", "新的"):
        hear(program, text)
    settled(program, 2)
    program.stop()
    stored(program, "UPDATE exchange SET started_ms = started_ms - ? WHERE question = '老的'", 31 * DAY_MS)
    stored(program, "UPDATE exchange SET started_ms = started_ms - ? WHERE question = '新的'", 29 * DAY_MS)
    program.start()
    program.wait_line("chat expired", "exchanges=1")
    assert questions(program) == ["新的"]


def test_without_retention_days_everything_stays(bridge, hear):
    program = bridge(app_secrets=[SECRET])
    hear(program, "老的")
    settled(program, 1)
    program.stop()
    stored(program, "UPDATE exchange SET started_ms = 1000")
    program.start()
    hear(program, "新的")
    settled(program, 2)
    assert questions(program) == ["老的", "新的"]


def test_export_and_forget_on_the_command_line(bridge, hear):
    program = bridge(app_secrets=[SECRET])
    for text in ("第一 \"问\"", "=1+1"):
        hear(program, text, senderStaffId="u 1")
    hear(program, "别人", senderStaffId="u2")
    settled(program, 3)
    for command in ("export", "forget"):
        code, out, errors = run(program, command, "--user", "u 1")
        assert code == 74 and "another process" in errors and "先停止" in errors and not out
    program.stop()

    code, out, errors = run(program, "export", "--user", "u 1")
    assert code == 0 and [json.loads(line)["question"] for line in out.splitlines()] == ["第一 \"问\"", "=1+1"] and ": 2" in errors
    code, out, _ = run(program, "export", "--user", "u 1", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out.removeprefix("\ufeff"), newline="")))
    assert code == 0 and out.startswith("\ufeff") and [row["问题"] for row in rows] == ["第一 \"问\"", "'=1+1"]
    code, out, _ = run(program, "export", "--user", "u 1", "--format", "md")
    assert code == 0 and "userid:u 1" in out.replace("\\", "") and "\n=1+1\n" in out
    assert run(program, "export", "--user", "u 1", "--to", "2020-01-01")[1] == ""
    assert len(run(program, "export", "--user", "u 1", "--from", "2020-01-01", "--to", "2099-01-01")[1].splitlines()) == 2
    assert run(program, "export", "--user", "nobody")[:2] == (0, "")

    code, out, _ = run(program, "forget", "--user", "u 1")
    assert code == 0 and ": 2" in out and questions(program) == ["别人"]
    done = [what for what, in stored(program, "SELECT what FROM audit WHERE place = 'command line'")]
    assert done[0] == "dingbridge export userid:u 1" and done[-1] == "dingbridge forget userid:u 1"


@pytest.mark.parametrize("arguments, code, word", [
    (["export"], 64, "--user"), (["forget"], 64, "--user"), (["export", "--user", ""], 64, "--user"), (["export", "--user", "u", "--format", "xls"], 64, "--format"),
    (["export", "--user", "u", "--from", "gestern"], 64, "--from"), (["forget", "--user", "u", "--from", "2026-01-01"], 64, "--user"),
    (["export", "--user", "u" * 300], 64, "--user"), (["export", "--user", "u", "--config", "no.yml"], 66, "no.yml"), (["forget", "--user", "u"], 66, "dingbridge.db")])
def test_wrong_use_is_explained_and_creates_nothing(bridge, tmp_path, arguments, code, word):
    directory = tmp_path / "empty"
    directory.mkdir()
    done = subprocess.run([BINARY, *arguments], cwd=directory, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60)
    assert done.returncode == code and word in done.stderr, done.stderr
    assert not list(directory.iterdir())
