"""What is written beside the program says what the program does."""
import pathlib
import re
import subprocess

import pytest

from harness import BINARY, ROOT

READMES = ("README.md", "README.en.md")
KEYS = re.findall(r'(?:FIELD|SECONDS)\((\w+)\), \.env = "(\w+)"', (ROOT / "src/config/keys.c").read_text())
SOURCES = {path: path.read_text() for path in sorted((ROOT / "src").rglob("*.c"))}


def read(name):
    return (ROOT / name).read_text()


def words_of(pattern, text):
    found = re.findall(pattern, text)
    assert found, f"nothing like {pattern}"
    return found


def config_docs(what):
    program = pathlib.Path(BINARY).parent / "tests" / "unit" / "config" / "config_docs"
    if not program.exists():
        pytest.skip("built without the unit tests")
    return subprocess.run([program, what], check=True, capture_output=True, text=True).stdout


def key_table(name):
    return re.search(r"<!-- keys:begin -->\n(.*?)<!-- keys:end -->", read(name), re.S).group(1)


def test_every_key_and_its_variable_are_in_both_readmes_and_the_example():
    assert len(KEYS) > 30
    for key, variable in KEYS:
        assert re.search(rf"^# {key}:", read("config.example.yml"), re.M), key
        for name in READMES:
            assert f"| `{key}` | `{variable}` |" in key_table(name), f"{key} in {name}"


def test_the_written_tables_are_the_ones_the_program_would_write():
    assert config_docs("example") == read("config.example.yml")
    assert config_docs("zh") == key_table("README.md")
    assert config_docs("en") == key_table("README.en.md")


def test_every_word_of_the_command_table_is_in_both_readmes():
    rows = words_of(r"\{NAMES\(([^)]*)\)", read("src/chat/commands.c"))
    words = [word for row in rows for word in re.findall(r'"([^"]*)"', row) if word]
    assert "帮助" in words and "#图片" in words
    for name in READMES:
        for word in words:
            assert f"`{word}" in read(name), f"{word} in {name}"


def test_every_builtin_template_is_in_both_readmes():
    titles = words_of(r'(?m)^    \{"(#[^"]+)"', read("src/chat/templates_builtin.c"))
    assert len(titles) > 20
    for name in READMES:
        for title in titles:
            assert title in read(name), f"{title} in {name}"


def test_every_subcommand_option_and_exit_code_of_the_help_is_in_both_readmes():
    text = subprocess.run([BINARY, "--help"], check=True, capture_output=True, text=True).stdout
    words = words_of(r"(?m)^  ([a-z]+) ", text)
    words += re.findall(r"--?[a-z]+", text)
    codes = re.findall(r"(?<![\d.])(\d\d) ", text.split("exit codes:")[1])
    assert {"serve", "check", "--online", "-c"} <= set(words) and {"64", "78"} <= set(codes)
    for name in READMES:
        for word in words:
            assert f"`{word}" in read(name), f"{word} in {name}"
        paragraph = re.search(r"(?:退出码：|Exit codes: )(.*?)\n\n", read(name), re.S).group(1)
        for code in codes:
            assert code in paragraph, f"exit code {code} in {name}"


def test_links_between_files_lead_somewhere():
    documents = [ROOT / name for name in (*READMES, "CHANGES.md")] + sorted((ROOT / "docs").glob("*.md"))
    for document in documents:
        text = re.sub(r"```.*?```", "", document.read_text(), flags=re.S)
        anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", text, re.M)}
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if target.startswith("#"):
                assert target[1:] in anchors, f"{target} in {document.name}"
            elif "://" not in target:
                assert (document.parent / target.split("#")[0]).exists(), f"{target} in {document.name}"


def rows_of_troubleshooting(name):
    section = re.search(r"## (?:排错|Troubleshooting)\n(.*?)\n## ", read(name), re.S).group(1)
    return [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("| `")]


@pytest.mark.parametrize("name", READMES)
def test_log_events_of_the_troubleshooting_exist(name):
    events = [cell for cell in rows_of_troubleshooting(name) if re.match(r"`\w+ \w+`", cell)]
    assert len(events) > 15
    for cell in events:
        module, event = re.match(r"`(\w+) (\w+)`", cell).groups()
        call = re.compile(rf'log_event\([^;]*"{module}",')  # the event may come by a variable
        assert any(call.search(text) and f'"{event}"' in text for text in SOURCES.values()), cell
        for field, value in re.findall(r"`(\w+)=(\w+)`", cell):
            assert any(f'"{field}"' in text for text in SOURCES.values()) and any(f'"{value}"' in text for text in SOURCES.values()), cell


@pytest.mark.parametrize("name", READMES)
def test_every_reason_of_a_failed_answer_is_in_the_troubleshooting(name):
    reasons = set(words_of(r'\[LLM_\w+\] = "(\w+)"', read("src/llm/llm.c"))) - {"ok"}
    assert reasons == {cell.strip("`") for cell in rows_of_troubleshooting(name) if re.fullmatch(r"`\w+`", cell)}


@pytest.mark.parametrize("name", READMES)
def test_metrics_that_are_named_exist(name, bridge):
    named = set(words_of(r"`(dingbridge_\w+)`", read(name)))
    assert named <= set(re.findall(r"dingbridge_\w+", "".join(SOURCES.values()) + bridge().request("GET", "/metrics")[1].decode()))


def blocks(name, language):
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", read(name), re.S | re.M)


@pytest.mark.parametrize("name", READMES)
def test_the_templates_of_the_readme_load(name, bridge, ask, llm):
    text = next(block for block in blocks(name, "yaml") if "title:" in block)
    program = bridge(files={"prompt.yml": text})
    shown = ask(program, "模板")
    titles = ["#" + title.lstrip("#") for title in re.findall(r'title: "?([^"\n]+)', text)]
    assert len(titles) == 2 and all(f"`{title}`" in shown for title in titles)
    for title in titles:
        ask(program, f"{title} 正文")
    prefixed, older = (entry["json"]["messages"][-1]["content"] for entry in llm.journal())
    assert re.fullmatch(r"(?s).+\n\n正文\n\n.+", prefixed) and re.fullmatch(r"(?s).+正文", older)


@pytest.mark.parametrize("name", READMES)
def test_the_configurations_of_the_readme_pass_the_check(name, tmp_path):
    examples = [block for block in blocks(name, "yaml") if "title:" not in block]
    assert len(examples) >= 4
    for i, block in enumerate(examples):
        indent = re.match(r" *", block).group()
        (tmp_path / f"{i}.yml").write_text(re.sub(rf"(?m)^{indent}", "", block))
        result = subprocess.run([BINARY, "check", "--config", f"{i}.yml"], cwd=tmp_path, capture_output=True, text=True,
                                env={"PATH": "/usr/bin:/bin", "APIKEY": "sk-1234567890", **({} if "ecret" in block else {"APP_SECRETS": "x"})})
        assert result.returncode == 0 and "unknown" not in result.stderr and "no secret" not in result.stderr, result.stderr


@pytest.mark.parametrize("name", READMES)
def test_the_message_for_seeing_it_work_is_taken(name, bridge):
    body = re.search(r"-d '(\{.*?\})'", read(name), re.S).group(1)
    program = bridge(webhook_hosts=["oapi.dingtalk.com"], dingtalk_proxy="http://127.0.0.1:9")  # nothing leaves this machine
    assert program.request("POST", "/", body.encode(), {"Content-Type": "application/json"})[1] == b'{"msgtype":"empty"}'
    program.wait_line("webhook send_again")


def test_both_readmes_have_the_same_structure():
    def shape(name):
        text = read(name)
        return ([len(marks) for marks in re.findall(r"^(#+) ", re.sub(r"```.*?```", "", text, flags=re.S), re.M)],
                text.count("```"), len(re.findall(r"^\|", text, re.M)), [re.match(r"`\w+( \w+)?`", cell).group() for cell in rows_of_troubleshooting(name)])
    assert shape("README.md") == shape("README.en.md")


def defaults():
    return {key: re.search(rf"^# {key}: (.*)$", read("config.example.yml"), re.M).group(1) for key, _ in KEYS if key not in ("credentials", "models")}


def test_the_deployment_files_fit_the_defaults():
    port, body = defaults()["port"], int(defaults()["max_body_bytes"])
    docker, compose, nginx, unit = (read(name) for name in ("Dockerfile", "docker-compose.yml", "deploy/nginx.conf", "deploy/dingbridge.service"))
    assert f"EXPOSE {port}" in docker and f"${{PORT:-{port}}}" in docker and "\nUSER 10001" in docker
    assert f'"{port}:{port}"' in compose
    assert set(re.findall(r"proxy_pass (\S+);", nginx)) == {f"http://127.0.0.1:{port}"}
    assert set(re.findall(r"^ *location (.*) \{", nginx, re.M)) == {"= /", "/images/", "/history/", "/"}
    assert f"client_max_body_size  {body // 1024 // 1024}m;" in nginx
    data = f"/app/{defaults()['data_dir']}"
    assert f'VOLUME ["{data}"]' in docker and f"- data:{data}" in compose and "WORKDIR /app\n" in docker
    assert "StateDirectory=dingbridge\n" in unit and "WorkingDirectory=/var/lib/dingbridge\n" in unit and "DynamicUser=yes" in unit
    drain = int(defaults()["drain_timeout"])
    assert int(re.search(r"TimeoutStopSec=(\d+)", unit).group(1)) > drain and int(re.search(r"stop_grace_period: (\d+)s", compose).group(1)) > drain


def test_every_variable_of_the_deployment_files_is_known():
    known = {variable for _, variable in KEYS}
    compose = re.search(r"    environment:\n(.*?)\n    \w", read("docker-compose.yml"), re.S).group(1)
    assert set(words_of(r"(?m)^      ([A-Z_]+):", compose)) <= known
    assert set(words_of(r"(?m)^Environment=(\w+)=", read("deploy/dingbridge.service"))) <= known
    for name in READMES:
        assert set(words_of(r"`([A-Z_]+)=…`", read(name))) <= known


def test_the_image_and_the_readmes_name_the_same_libraries():
    wanted = set(re.search(r"--no-install-recommends ([^;]+);", read("Dockerfile").replace("\\\n", " ")).group(1).split())
    for name in READMES:
        assert set(re.search(r"`apt install ([^`]+)`", read(name)).group(1).split()) == wanted
