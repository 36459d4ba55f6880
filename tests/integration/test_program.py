"""The command line, the configuration, demo mode and the terminal."""
import fcntl
import os
import pathlib
import pty
import re
import signal
import subprocess
import termios

import pytest

from harness import BINARY, Bridge, ROOT, message, wait_for


def run(tmp_path, *arguments, environment=None, stdin=""):
    clean = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "USER": "tester", **(environment or {})}
    return subprocess.run([BINARY, *arguments], cwd=tmp_path, env=clean, input=stdin, capture_output=True, text=True, timeout=60)


def test_help_and_version_and_wrong_usage(tmp_path):
    for option in ("--help", "-h"):
        result = run(tmp_path, option)
        assert result.returncode == 0 and all(word in result.stdout for word in ("serve", "check", "chat", "version", "--config"))
    assert run(tmp_path, "serve", "--help").returncode == 0
    assert re.match(r"dingbridge \d+\.\d+", run(tmp_path, "version").stdout)
    assert run(tmp_path, "dance").returncode == 64
    assert run(tmp_path, "--nonsense").returncode == 64


def test_check_of_a_good_file_succeeds_and_hides_secrets(tmp_path):
    (tmp_path / "config.yml").write_text("api_key: sk-very-secret-key\napp_secrets: [another-secret]\nservice_url: http://x:8090\n")
    result = run(tmp_path, "check")
    assert result.returncode == 0, result.stderr
    assert "secret-key" not in result.stdout + result.stderr and "another-secret" not in result.stdout + result.stderr


def test_an_unknown_key_is_a_warning_with_the_nearest(tmp_path):
    (tmp_path / "config.yml").write_text("api_key: sk-1234567890\nmax_requst: 5\n")
    result = run(tmp_path, "check")
    assert result.returncode == 0
    assert "config.yml:2" in result.stderr and "max_requst" in result.stderr and "max_request" in result.stderr


@pytest.mark.parametrize("line, allowed", [("port: 99999", "65535"), ("default_mode: 群聊", "串聊"), ("session_timeout: soon", "10m"),
                                           ("max_request: -1", "0"), ("temperature: hot", "2"), ("http_proxy: gopher://x", "socks5h"),
                                           ("http_proxy: 'http://u:pw@x/path'", "socks5h"), ("dingtalk_proxy: x", "socks5h"),
                                           ("base_url: 'https://u:pw@x'", "/v1"), ("base_url: 'ftp://x'", "/v1"), ("api_root: x/v1", "/v1"),
                                           ("service_url: bot.example", "http"), ("webhook_hosts: ['https://a.example/x']", "*.HOST"),
                                           ("timezone: Mars/Base", "Asia/Shanghai")])
def test_a_bad_value_stops_with_file_line_key_and_what_is_allowed(tmp_path, line, allowed):
    (tmp_path / "config.yml").write_text(f"api_key: sk-1234567890\n\n{line}\n")
    for command in ("check", "serve"):
        result = run(tmp_path, command)
        key = line.split(":")[0]
        assert result.returncode == 78
        told, = [text for text in result.stderr.splitlines() if "error" in text]
        assert f"config.yml:3: {key}: " in told and allowed in told.split("allowed: ")[1] and "pw" not in told.split("allowed: ")[0]


def test_the_predecessors_json_with_comments_is_read(bridge, webhook, llm):
    text = """{
    "api_key": "xxxxxxxxx",   // openai api_key
    "base_url": "%s", // "https://a.example // not a comment"
    "model": "test-model",
    "session_timeout": 600,   // 会话超时时间
    "http_proxy": "",
    "default_mode": "单聊",
    "max_request": 0,
    "port": 0,
    "service_url": ""
}""" % llm.url
    program = bridge(raw="", environment={"WEBHOOK_HOSTS": "127.0.0.1"}, files={"config.json": text})
    assert program.post(message("你好", webhook.url, "json")) == 200
    assert "回答：你好" in webhook.wait_texts(1, "json")[0]


def test_the_environment_beats_the_file(bridge, ask, llm):
    program = bridge(environment={"APIKEY": "sk-from-environment", "MODEL": "env-model", "DEFAULT_MODE": "串聊", "MAX_REQUEST": "1",
                                  "SESSION_TIMEOUT": "10m", "SERVICE_URL": "http://env:1"})
    ask(program, "一")
    entry = llm.journal()[0]
    assert entry["json"]["model"] == "env-model" and entry["headers"]["authorization"] == "Bearer sk-from-environment"
    assert "上限" in ask(program, "二")


def test_configuration_by_environment_alone(bridge, ask, llm):
    program = bridge(raw="", environment={"BASE_URL": llm.url, "MODEL": "test-model", "PORT": "0", "WEBHOOK_HOSTS": "127.0.0.1"})
    assert "回答：" in ask(program, "你好")
    assert "authorization" not in llm.journal()[0]["headers"]  # no key: none is invented
    assert "演示" not in program.text()


def test_no_key_and_no_base_url_is_an_error_and_not_demo_mode(tmp_path):
    (tmp_path / "config.yml").write_text("port: 0\n")
    result = run(tmp_path, "serve")
    assert result.returncode == 78 and "api_key" in result.stderr and "演示" not in result.stderr


@pytest.mark.parametrize("name, text", [("config.yml", ""), ("config.yml", "# nothing yet\n"), ("config.json", "{}"), ("config.yml", "a: [\n")])
def test_a_configuration_however_poor_is_never_answered_with_demo_mode(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    for command in ("serve", "chat", "check"):
        result = run(tmp_path, command)
        assert result.returncode == 78 and "演示" not in result.stdout + result.stderr


@pytest.mark.parametrize("name, value", [("APP_SECRETS", "a-secret-of-ours"), ("MODEL", "test-model"), ("DINGTALK_CREDENTIALS", "id:secret"), ("RUN_MODE", "stream")])
def test_a_configuration_by_environment_without_a_key_is_an_error_and_not_demo_mode(tmp_path, name, value):
    result = run(tmp_path, "serve", environment={name: value})
    assert result.returncode == 78 and "api_key" in result.stderr and "演示" not in result.stderr


def test_a_missing_file_is_told(tmp_path):
    result = run(tmp_path, "check", "--config", "nowhere.yml")
    assert result.returncode == 66 and "nowhere.yml" in result.stderr


def test_a_port_that_is_taken_is_told(bridge, tmp_path):
    program = bridge()
    result = run(tmp_path, "serve", environment={"APIKEY": "sk-1234567890", "PORT": str(program.port), "LISTEN": "127.0.0.1"})
    assert result.returncode == 69 and "cannot_listen" in result.stderr


def test_check_online_asks_for_the_model(tmp_path, llm):
    base = {"BASE_URL": llm.url, "APIKEY": "sk-1234567890"}
    assert run(tmp_path, "check", "--online", environment={**base, "MODEL": "test-model"}).returncode == 0
    result = run(tmp_path, "check", "--online", environment={**base, "MODEL": "test-modle"})
    assert result.returncode == 78 and "test-model" in result.stdout
    assert "2027-01-14" in run(tmp_path, "check", "--online", environment={**base, "MODEL": "test-model-old"}).stdout
    llm.script({"status": 401, "body": "{}", "times": 3})
    assert run(tmp_path, "check", "--online", environment={**base, "MODEL": "test-model"}).returncode == 69


def test_demo_mode_without_any_configuration(tmp_path, webhook, ask):
    program = Bridge(tmp_path / "demo", None, {"PORT": "0", "WEBHOOK_HOSTS": "127.0.0.1", "MAX_REQUEST": "4", "SERVICE_URL": "http://demo:1"})
    assert "演示模式" in program.text()
    text = ask(program, "天空为什么是蓝的")
    assert "演示" in text and "天空为什么是蓝的" in text
    assert "演示" in ask(program, "#周报 写了代码")
    name = re.search(r"/images/([0-9a-f]{32}\.png)", ask(program, "#图片 猫")).group(1)
    assert program.request("GET", f"/images/{name}")[1].startswith(b"\x89PNG")
    for command in ("帮助", "单聊", "串聊", "重置", "模板", "图片", "余额"):
        assert ask(program, command)
    ask(program, "最后一个")
    assert "上限" in ask(program, "多了")
    program.stop()


def test_chat_takes_lines_from_a_pipe(tmp_path, llm):
    result = run(tmp_path, "chat", environment={"BASE_URL": llm.url, "MODEL": "test-model"}, stdin="串聊\n第一句\n第二句\n帮助\n")
    assert result.returncode == 0, result.stderr
    assert "回答：第一句（前面有 0 条）" in result.stdout and "回答：第二句（前面有 2 条）" in result.stdout and "余额" in result.stdout


def test_chat_takes_lines_from_a_file_and_from_nothing(tmp_path, llm):
    environment = {"PATH": os.environ["PATH"], "BASE_URL": llm.url, "MODEL": "test-model"}
    (tmp_path / "lines").write_text("第一句\r\n第二句")
    for name, expected in (("lines", ("回答：第一句（", "回答：第二句（")), ("/dev/null", ())):
        with open(tmp_path / name) as lines:
            result = subprocess.run([BINARY, "chat"], cwd=tmp_path, env=environment, stdin=lines, capture_output=True, text=True, timeout=20)
        assert result.returncode == 0, result.stderr
        assert all(text in result.stdout for text in expected)


def test_chat_takes_more_from_a_pipe_than_it_keeps_in_memory(tmp_path, llm):
    llm.script({"text": "好", "times": 1000})
    lines = [f"{number:02}" + "长" * 70000 for number in range(25)]
    result = run(tmp_path, "chat", environment={"BASE_URL": llm.url, "MODEL": "test-model"}, stdin="\n".join(lines) + "\n" + "x" * 300000 + "\n最后")
    assert result.returncode == 0, result.stderr
    assert [entry["json"]["messages"][-1]["content"] for entry in llm.journal()] == [*lines, "最后"]
    assert result.stderr.count("太长") == 1


def test_chat_shows_where_an_image_is(tmp_path):
    result = run(tmp_path, "chat", stdin="#图片 猫\n")
    path = re.search(r"file://(/\S+\.png)", result.stdout).group(1)
    assert pathlib.Path(path).read_bytes().startswith(b"\x89PNG")


def test_chat_keeps_the_models_control_characters_from_the_terminal(tmp_path, llm):
    llm.script({"text": "一\x1b]0;title\x07二\x1b[31m三\n四\t五", "chunk": 1})
    result = run(tmp_path, "chat", environment={"BASE_URL": llm.url, "MODEL": "test-model"}, stdin="问\n")
    assert "一]0;title二[31m三\n四\t五" in result.stdout


class Terminal:
    """The program on a terminal of its own."""

    def __init__(self, directory, environment):
        self.main, self.side = pty.openpty()
        clean = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm", "USER": "tester", "HOME": str(directory), **environment}
        self.process = subprocess.Popen([BINARY, "chat"], cwd=directory, env=clean, stdin=self.side, stdout=self.side, stderr=self.side,
                                        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.set_blocking(self.main, False)
        self.seen = b""

    def type(self, text):
        data = text.encode()
        while data:
            try:
                data = data[os.write(self.main, data):]
            except BlockingIOError:
                self.read()

    def read(self):
        try:
            self.seen += os.read(self.main, 65536)
        except OSError:
            pass

    def wait(self, text):
        """Until the text stands there; what comes behind it is left for the next wait."""
        def found():
            self.read()
            return text.encode() in self.seen
        wait_for(found, f"{text!r} on the terminal")
        self.seen = self.seen.split(text.encode(), 1)[1]

    def ask(self, typed, answer):
        self.wait("> ")
        self.type(typed)
        self.wait(answer)

    def is_edited(self):
        """True while the program has taken line editing over."""
        return not termios.tcgetattr(self.side)[3] & termios.ICANON

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self, expect=0):
        assert self.process.wait(20) == expect
        assert not self.is_edited()
        self.close()

    def close(self):
        os.close(self.side)
        os.close(self.main)


@pytest.fixture
def terminal(tmp_path, llm):
    """A function that starts the program on a terminal against the double."""
    started = []

    def start(**environment):
        started.append(Terminal(tmp_path, {"BASE_URL": llm.url, "MODEL": "test-model", **environment}))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def test_chat_on_a_terminal_edits_streams_and_stops(terminal, llm):
    terminal = terminal()
    terminal.ask("hellx\x7fo\r", "回答：hello（")
    llm.script({"text": "慢慢说的话" * 100, "stutter": 0.1})
    terminal.ask("slow\r", "慢慢说的话")
    terminal.type("\x03")
    terminal.wait("已停止")
    terminal.ask("again\r", "回答：again（")
    terminal.wait("> ")
    terminal.type("\x04")
    terminal.end()


@pytest.mark.parametrize("locale", ["C.UTF-8", "C", "zh_CN.GBK", ""])
def test_chat_edits_chinese_characters_whole(terminal, locale):
    terminal = terminal(LANG=locale)
    terminal.ask("你好吗\x7f呀🎉\x7f\r", "回答：你好呀（")
    terminal.ask("你吗\x1b[D好\r", "回答：你好吗（")
    terminal.ask("\x1b[A\x1b[A\r", "回答：你好呀（")  # the one before the last, from the history
    terminal.wait("> ")
    terminal.type("\x04")
    terminal.end()


def test_chat_takes_a_long_line_and_shows_an_answer_of_many_lines(terminal, llm):
    terminal = terminal()
    question = "长" * 5000
    llm.script({"text": "第一行\n\n```c\nint main(void);\n```\n最后一行"})
    terminal.ask(question + "\r", "第一行\r\n\r\n```c\r\nint main(void);\r\n```\r\n最后一行\r\n")
    assert llm.journal()[0]["json"]["messages"][-1]["content"] == question
    terminal.wait("> ")
    terminal.type("\x04")
    terminal.end()


def test_chat_ends_cleanly_on_ctrl_c_at_the_prompt(terminal):
    terminal = terminal()
    terminal.wait("> ")
    wait_for(terminal.is_edited, "the prompt")
    terminal.type("half a line")
    terminal.wait("half a line")
    terminal.type("\x03")
    terminal.end()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("is_answering", [False, True])
def test_chat_gives_the_terminal_back_on_a_signal(terminal, llm, number, is_answering):
    terminal = terminal()
    if is_answering:
        llm.script({"text": "慢慢说的话" * 100, "stutter": 0.1})
        terminal.ask("slow\r", "慢慢说的话")
    else:
        terminal.wait("> ")
        wait_for(terminal.is_edited, "the prompt")
    terminal.process.send_signal(number)
    terminal.end()


def test_chat_stops_asking_for_a_balance(terminal, llm):
    terminal = terminal()
    llm.script({"delay": 60, "times": 9})
    terminal.wait("> ")
    terminal.type("余额\r")
    wait_for(llm.journal, "the request")
    terminal.type("\x03")
    terminal.wait("已停止")
    llm.script()
    terminal.ask("again\r", "回答：again（")
    terminal.wait("> ")
    terminal.type("\x04")
    terminal.end()


def test_chat_waits_quietly_while_somebody_types_ahead(terminal, llm):
    terminal = terminal()
    llm.script({"text": "慢慢说的话", "chunk": 1, "stutter": 0.4})
    terminal.ask("slow\r", "慢")
    before = terminal.cpu_s()
    terminal.type("next\n")
    terminal.wait("话")
    assert terminal.cpu_s() - before < 0.5
    terminal.wait("回答：next（")
    terminal.wait("> ")
    terminal.type("\x04")
    terminal.end()


def test_every_key_and_command_is_in_both_readmes():
    result = subprocess.run([BINARY, "--help"], capture_output=True, text=True)
    example = (ROOT / "config.example.yml").read_text()
    keys = re.findall(r"^#? ?(\w+):", example, re.M)
    assert len(keys) > 30 and result.returncode == 0
    commands = ("帮助", "单聊", "串聊", "重置", "退出", "结束", "模板", "图片", "#图片", "余额")
    for name in ("README.md", "README.en.md"):
        text = (ROOT / name).read_text()
        for word in (*keys, *commands):
            assert word in text, f"{word} in {name}"
