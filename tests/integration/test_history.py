"""Reading what was said: who may ask for a link, what it opens, and what its page and files make of hostile names and texts."""
import base64
import csv
import datetime
import io
import json
import re
import sqlite3
import zoneinfo
from html.parser import HTMLParser

import pytest

from harness import PRIVATE, SECRET, wait_for

ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")
EVIL = "<script>alert('1')</script> \"x\" & [链接](http://evil.example) `代码` ```` ``` ````"


@pytest.fixture
def boss(hear):
    return lambda program, text, /, **changes: hear(program, text, senderStaffId="boss", senderNick="老板", **{**PRIVATE, **changes})


def start(bridge, **keys):
    return bridge(app_secrets=[SECRET], admin_users=["boss"], **keys)


def database(program, write=False):
    return sqlite3.connect(f"file:{program.directory}/data/dingbridge.db?mode={'rw' if write else 'ro'}", uri=True, timeout=20)


def audit(program):
    with database(program) as connection:
        return connection.execute("SELECT who, place, what FROM audit ORDER BY id").fetchall()


def settled(program, count):
    """As many exchanges are written down."""
    def is_there():
        with database(program) as connection:
            return connection.execute("SELECT count(*) FROM exchange").fetchone()[0] >= count
    wait_for(is_there, f"{count} exchanges")


def path_of(answer):
    return re.search(r"http://bridge\.example:8090(/history/[A-Za-z0-9_-]+)", answer)[1]


class Page(HTMLParser):
    """What a browser makes of the page: its elements, their attributes, its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.text, self.articles = [], [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        assert not any(name.startswith("on") or name == "src" for name, _ in attributes)
        if tag == "a":
            self.links.append(dict(attributes)["href"])
        if tag == "article":
            self.articles.append("")

    def handle_data(self, data):
        self.text += data
        if self.articles:
            self.articles[-1] += data


def page(program, path):
    status, body, headers = program.request("GET", path)
    assert status == 200 and headers["content-type"] == "text/html; charset=utf-8"
    return Page(body.decode())


def test_an_admin_gets_a_link_that_shows_who_said_what_where(bridge, hear, boss):
    program = start(bridge)
    hear(program, "群里的问题", senderStaffId="u1", senderNick="张三", conversationTitle="产品组")
    hear(program, "私下的问题", senderStaffId="u1", senderNick="张三", **PRIVATE)
    hear(program, "李四的问题", senderStaffId="u2", senderNick="李四")
    settled(program, 3)
    answer = boss(program, "#查对话 username:张三")
    assert "username:张三" in answer and re.search(r"有效至 \d{4}-\d\d-\d\d \d\d:\d\d", answer)
    shown = page(program, path_of(answer))
    assert "产品组" in shown.text and "私聊" in shown.text and "李四" not in shown.text
    assert "群里的问题" in shown.articles[0] and "回答：群里的问题" in shown.articles[0] and "u1" in shown.articles[0]
    assert "私下的问题" in shown.articles[1] and "test-model" in shown.articles[1]
    assert datetime.datetime.now(ZONE).strftime("%Y-%m-%d") in shown.text
    assert [who for who, _, _ in audit(program)] == ["boss", "boss"]


def test_the_page_asks_for_nothing_from_anywhere(bridge, hear, boss):
    program = start(bridge)
    hear(program, EVIL, senderNick=EVIL[:40])
    settled(program, 1)
    status, body, headers = program.request("GET", path_of(boss(program, "#查对话 userid:user123")))
    style = re.search(rb"<style>(.*?)</style>", body)[1]
    import hashlib
    digest = base64.b64encode(hashlib.sha256(style).digest()).decode()
    assert headers["content-security-policy"].startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")
    assert "frame-ancestors 'none'" in headers["content-security-policy"] and headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "private, no-store" and headers["x-content-type-options"] == "nosniff"
    shown = Page(body.decode())
    assert not set(shown.tags) & {"script", "img", "link", "iframe", "form", "object"} and b"url(" not in style and b"@import" not in style
    assert all(link.startswith("?") for link in shown.links)


def test_names_and_texts_stay_text_on_the_page_and_in_every_file(bridge, hear, boss):
    program = start(bridge)
    nick = "=1+<b>\"'"
    hear(program, EVIL, senderNick=nick, conversationTitle="@群|<i>")
    hear(program, "=HYPERLINK(\"http://evil.example\")", senderNick=nick)
    settled(program, 2)
    path = path_of(boss(program, "#查对话 userid:user123"))
    shown = page(program, path)
    assert EVIL in shown.articles[0] and nick in shown.articles[0] and "@群|<i>" in shown.text
    assert not set(shown.tags) & {"script", "i"}

    status, body, headers = program.request("GET", path + "?format=csv")
    assert status == 200 and headers["content-type"].startswith("text/csv") and re.search(r'filename="[\w.-]+\.csv"', headers["content-disposition"])
    assert body.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))
    assert [row["问题"] for row in rows] == [EVIL, "'=HYPERLINK(\"http://evil.example\")"]
    assert rows[0]["姓名"] == "'" + nick and rows[0]["群"] == "'@群|<i>" and EVIL in rows[0]["回答"] and rows[0]["userid"] == "user123"
    assert not any(cell[:1] in "=+-@" for row in rows for cell in row.values() if cell)

    lines = program.request("GET", path + "?format=jsonl")[1].decode().splitlines()
    first = json.loads(lines[0])
    assert len(lines) == 2 and first["question"] == EVIL and first["nick"] == nick and first["userid"] == "user123" and first["outcome"] == "answered"

    text = program.request("GET", path + "?format=md")[1].decode()
    assert f"`````text\n{EVIL}\n`````\n" in text  # a longer fence than any inside
    outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", text, flags=re.S | re.M)
    assert "<" not in re.sub(r"\\<", "", outside) and "\\=" not in outside
    assert [what.split()[0] for _, _, what in audit(program)] == ["#查对话", "打开对话记录", "下载对话记录", "下载对话记录", "下载对话记录"]


def test_two_people_of_one_name_stay_apart(bridge, hear, boss):
    program = start(bridge)
    hear(program, "我是甲", senderStaffId="u-a", senderNick="张三")
    hear(program, "我是乙", senderStaffId="u-b", senderNick="张三")
    settled(program, 2)
    both = page(program, path_of(boss(program, "#查对话 username:张三")))
    assert ["u-a" in each for each in both.articles] == [True, False] and ["u-b" in each for each in both.articles] == [False, True]
    one = page(program, path_of(boss(program, "#查对话 username:张三 userid:u-b")))
    assert len(one.articles) == 1 and "我是乙" in one.articles[0] and "u-a" not in one.text


def test_conditions_can_be_combined_and_days_are_local(bridge, hear, boss):
    program = start(bridge)
    for user, group, text in (("u1", "甲 组", "一"), ("u1", "乙组", "二"), ("u2", "甲 组", "三")):
        hear(program, text, senderStaffId=user, senderNick=user, conversationId="cid" + group.replace(" ", ""), conversationTitle=group)
    settled(program, 3)
    day = datetime.datetime(2026, 11, 20, tzinfo=ZONE)
    with database(program, write=True) as connection:
        for question, at in (("一", day), ("二", day + datetime.timedelta(hours=23, minutes=59)), ("三", day + datetime.timedelta(days=1))):
            connection.execute("UPDATE exchange SET started_ms = ? WHERE question = ?", (int(at.timestamp() * 1000), question))

    def asked(typed):
        return [row["question"] for row in map(json.loads, program.request("GET", path_of(boss(program, typed)) + "?format=jsonl")[1].decode().splitlines())]

    assert asked("#查对话 日期:2026-11-20") == ["一", "二"]
    assert asked("#查对话 日期：2026-11-21..") == ["三"]
    assert asked("#查对话　群:甲 组") == ["一", "三"] and asked("#查对话 群:cid甲组") == ["一", "三"]
    assert asked("#查对话 群:甲 组 userid:u1 日期:2026-11-01..2026-11-20") == ["一"]
    assert "没有找到" in boss(program, "#查对话 群:甲 组 userid:u1 日期:..2026-11-19")


@pytest.mark.parametrize("typed", ["#查对话", "查对话", "#查对话 张三", "#查对话 username:", "#查对话 日期:2026-02-30", "#查对话 日期:2026-11-20..2026-11-01",
                                   "#查对话 日期:昨天", "#查对话 userid:a userid:b", "#查对话 userid:" + "长" * 100])
def test_what_is_not_understood_is_explained(bridge, boss, typed, llm):
    answer = boss(start(bridge), typed)
    assert "username:张三" in answer and "日期:2026-11-01..2026-11-20" in answer and "/history/" not in answer
    assert not llm.journal()


@pytest.mark.parametrize("typed", ["#查对话 username:张三", "查对话", "用量 全部"])
def test_nobody_but_an_admin_gets_anything(bridge, hear, typed):
    program = start(bridge)
    hear(program, "问题")
    for who in ({}, {"senderStaffId": None}, {"senderStaffId": "", "isAdmin": True}):
        answer = hear(program, typed, **who)
        assert "管理员" in answer and "/history/" not in answer and "username" not in answer
    assert not audit(program)


def test_without_service_url_the_admin_is_told(bridge, hear, boss):
    program = start(bridge, service_url=None)
    hear(program, "问题")
    answer = boss(program, "#查对话 username:张三")
    assert "service_url" in answer and "/history/" not in answer


def test_a_link_cannot_be_guessed_or_changed_and_survives_a_restart(bridge, hear, boss):
    program = start(bridge)
    hear(program, "问题")
    settled(program, 1)
    path = path_of(boss(program, "#查对话 username:张三"))
    token = path.removeprefix("/history/")
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    changed = raw.replace("张三".encode(), "李四".encode())
    later = re.sub(rb'"e":\d+', lambda found: found[0][:-1] + bytes([found[0][-1] ^ 1]), raw)
    encode = lambda data: base64.urlsafe_b64encode(data).decode().rstrip("=")
    assert encode(raw) == token and changed != raw and later != raw
    forged = [encode(changed), encode(later), encode(raw[32:]), encode(bytes(32) + raw[32:]), encode(raw + b" "), token[:-4], token + "=", token + "A", "",
              "x", "../dingbridge.db", "%2e%2e", "A" * 9000]
    for each in forged:
        status, body, _ = program.request("GET", "/history/" + each)
        assert status in (404, 414, 400) and "问题".encode() not in body, each
    for bad in ("?format=exe", "?before=1", "?after=x.y", "?before=-1.2"):
        assert program.request("GET", path + bad)[0] == 404, bad
    assert program.request("GET", path + "?dd_progress=false")[0] == 200  # messengers add parameters of their own
    key = program.directory / "data" / "history.key"
    assert key.stat().st_mode & 0o777 == 0o600 and len(key.read_bytes()) == 32
    program.stop()
    program.start()
    assert "问题" in page(program, path).text
    program.stop()
    key.unlink()
    program.start()
    assert program.request("GET", path)[0] == 404


def test_a_long_history_is_read_page_by_page(bridge, boss, hear):
    program = start(bridge)
    hear(program, "第一问")
    settled(program, 1)
    with database(program, write=True) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(exchange)") if row[1] != "id"]
        others = ", ".join(column for column in columns if column not in ("question", "started_ms"))
        connection.execute(f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 129) INSERT INTO exchange ({others}, question, started_ms) "
                           f"SELECT {others}, 'Q' || i || '.', started_ms + i FROM exchange, n")
    path = path_of(boss(program, "#查对话 username:张三"))
    seen, shown = [], page(program, path)
    while True:
        seen = [re.search(r"Q\d+\.|第一问", each)[0] for each in shown.articles] + seen
        older = [link for link in shown.links if link.startswith("?before=")]
        if not older:
            break
        shown = page(program, path + older[0])
    assert seen == ["第一问"] + [f"Q{i}." for i in range(1, 130)]
    newer = [link for link in shown.links if link.startswith("?after=")][0]
    assert re.search(r"Q\d+\.", page(program, path + newer).articles[0])[0] == f"Q{len(shown.articles)}."
    assert len(program.request("GET", path + "?format=jsonl")[1].splitlines()) == 130


def test_in_a_group_the_admin_is_warned(bridge, hear, boss):
    program = start(bridge)
    hear(program, "问题")
    settled(program, 1)
    answer = boss(program, "#查对话 username:张三", conversationType="2", conversationId="cid-1", conversationTitle="群")
    assert "/history/" in answer and "群里的人都能打开" in answer


def test_where_the_robot_can_write_to_him_the_link_goes_to_the_admin_alone(bridge, gateway):
    program = bridge(admin_users=["boss"], **gateway.keys())
    gateway.wait_connected()
    gateway.say("问题", senderStaffId="u1", senderNick="张三")
    gateway.wait_texts(1)
    gateway.say("#查对话 username:张三", "s2", senderStaffId="boss")
    assert "链接已私聊发给您" in gateway.wait_texts(1, "s2")[0]
    private = wait_for(lambda: [each for each in gateway.sent() if "/history/" in each["text"]], "a private message")[0]
    assert private["via"] == "oto" and private["users"] == ["boss"]
    assert "问题" in page(program, path_of(private["text"])).text


def test_opening_a_link_without_the_audit_shows_nothing(bridge, hear, boss):
    program = start(bridge)
    hear(program, "问题")
    settled(program, 1)
    path = path_of(boss(program, "#查对话 username:张三"))
    with database(program, write=True) as connection:
        connection.execute("CREATE TRIGGER broken BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END")
    status, body, _ = program.request("GET", path)
    assert status == 503 and "问题".encode() not in body
    assert "编号" in boss(program, "#查对话 username:张三")


def test_a_file_that_would_be_too_large_ends_early_and_says_so(bridge, hear, boss):
    program = start(bridge)
    hear(program, "第一问")
    settled(program, 1)
    path = path_of(boss(program, "#查对话 username:张三"))
    with database(program, write=True) as connection:
        columns = ", ".join(row[1] for row in connection.execute("PRAGMA table_info(exchange)") if row[1] not in ("id", "answer"))
        connection.execute(f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) INSERT INTO exchange ({columns}, answer) "
                           f"SELECT {columns}, replace(hex(zeroblob(250000)), '0', 'x') FROM exchange, n")
    assert "太长" in page(program, path).text  # and only its beginning is shown
    for name, note in (("jsonl", '"incomplete":true'), ("csv", "未完"), ("md", "未完")):
        body = program.request("GET", f"{path}?format={name}")[1].decode()
        assert 16 << 20 < len(body) < 18 << 20 and note in body.strip().splitlines()[-1], name
