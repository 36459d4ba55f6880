import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import harness  # noqa: E402
from harness import Bridge, Double, Gateway, ProxyDouble, Webhook  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes ten seconds and more by itself")


def pytest_collection_modifyitems(items):
    """The long ones early, and apart by what pytest-xdist gives six workers at first: one of them at the end would keep the others waiting."""
    long = [item for item in items if item.get_closest_marker("long")]
    short = [item for item in items if not item.get_closest_marker("long")]
    stride = max(len(items) // (4 * 6), 2)
    for number, item in enumerate(long):
        short.insert(number * stride, item)
    items[:] = short


@pytest.fixture(scope="session")
def llm_process():
    double = Double("llm")
    yield double
    double.stop()


@pytest.fixture(scope="session")
def webhook_process():
    double = Webhook()
    yield double
    double.stop()


@pytest.fixture
def llm(llm_process):
    llm_process.reset()
    return llm_process


@pytest.fixture
def webhook(webhook_process):
    webhook_process.reset()
    return webhook_process


@pytest.fixture(scope="session")
def gateway_process():
    double = Gateway()
    yield double
    double.stop()


@pytest.fixture
def gateway(gateway_process):
    gateway_process.reset()
    return gateway_process


@pytest.fixture
def proxy():
    """A function that starts proxies; they are stopped at the end."""
    started = []

    def start(*options):
        started.append(ProxyDouble(*options))
        return started[-1]

    yield start
    for double in started:
        double.stop()


@pytest.fixture
def bridge(tmp_path, llm, webhook):
    """A function that starts the program against the doubles: bridge(key=value, …), or on the text `raw` ("" for no file). All are ended cleanly, and checked for sanitizer reports."""
    started = []

    def start(environment=None, files=None, raw=None, expect_ready=True, **keys):
        config = {"api_key": "sk-test-1234567890", "base_url": llm.url, "model": "test-model", "port": 0, "listen": "127.0.0.1",
                  "webhook_hosts": ["127.0.0.1"], "service_url": "http://bridge.example:8090"}
        config.update(keys)
        config = {key: value for key, value in config.items() if value is not None}
        directory = tmp_path / f"run{len(started)}"
        started.append(Bridge(directory, raw if raw is not None else config, environment, files, expect_ready=expect_ready))
        return started[-1]

    yield start
    for program in started:
        program.stop()


@pytest.fixture
def carding(bridge, gateway):
    """A function that starts the program in stream mode with cards that are updated fast, and waits until its robots are connected."""
    def start(*apps, **keys):
        keys = {"stream_mode": True, "card_template_id": "auto", "card_update_interval": 100, **keys}
        program = bridge(**gateway.keys(*apps, **keys))
        gateway.wait_connected(max(1, len(apps)))
        return program

    return start


@pytest.fixture
def ask(webhook):
    """ask(program, text, …) posts a message and gives what came back at its own webhook session: the texts joined."""
    def send(program, text, count=1, **changes):
        session = f"ask-{next(harness._serial)}"
        status = program.post(harness.message(text, webhook.url, session, **changes))
        assert status == 200
        return "".join(webhook.wait_texts(count, session))

    return send


@pytest.fixture
def tell(webhook):
    """tell(program, text, is_signed=…, …) posts a message; gives the webhook session to look for answers in."""
    def send(program, text, /, is_signed=True, **changes):
        session = f"tell-{next(harness._serial)}"
        assert program.post(harness.message(text, webhook.url, session, **changes), harness.signed(harness.SECRET) if is_signed else None) == 200
        return session

    return send


@pytest.fixture
def hear(tell, webhook):
    """As tell, and gives the answer."""
    return lambda program, text, /, **changes: webhook.wait_texts(1, tell(program, text, **changes))[0]
