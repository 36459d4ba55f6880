"""#域名 and #证书, against whois and TLS servers of our own."""
import contextlib
import datetime
import socket
import ssl
import subprocess
import threading

import pytest

from harness import SECRET, message, signed, wait_for

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.timezone.utc)


class Server:
    """A TCP server on loopback: serve(connection) in a thread for each that comes. Counts those."""

    def __init__(self, serve):
        self.serve = serve
        self.came = 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.where = f"127.0.0.1:{self.port}"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                self.came += 1
                threading.Thread(target=self.handle, args=(connection,), daemon=True).start()

    def handle(self, connection):
        connection.settimeout(20)
        with contextlib.suppress(OSError, ssl.SSLError), connection:
            self.serve(connection)

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def serve():
    started = []

    def start(what):
        started.append(Server(what))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def whois(serve):
    """whois(answer) starts a whois server; its list `asked` holds the lines it was sent."""
    def start(answer):
        asked = []

        def talk(connection):
            line = b""
            while not line.endswith(b"\r\n"):
                line += connection.recv(1000)
            asked.append(line.decode())
            connection.sendall(answer if isinstance(answer, bytes) else answer.encode())
        server = serve(talk)
        server.asked = asked
        return server
    return start


REGISTRY = """Domain Name: EXAMPLE.TEST
Registrar: Example Registrar, Inc.
Creation Date: 2001-02-03T04:05:06Z
Registry Expiry Date: {expires}
Domain Status: clientTransferProhibited https://icann.org/epp#clientTransferProhibited
Domain Status: somethingNew
"""


def registry_answer(days=100):
    return REGISTRY.format(expires=(NOW + days * DAY).strftime("%Y-%m-%dT%H:%M:%SZ"))


def test_a_domain_is_looked_up_by_referral(bridge, ask, whois, llm):
    registry = whois(registry_answer())
    root = whois(f"% IANA\n\nrefer:        {registry.where}\n\ndomain: TEST\ncreated: 1985-01-01\n")
    program = bridge(whois_server=root.where, tools_allow_private=True, max_request=1)
    for typed in ("#域名 example.test", "＃域名　https://www.Example.TEST/path"):
        answer = ask(program, typed)
        assert "Example Registrar, Inc." in answer and "2001-02-03" in answer and "1985" not in answer
        assert (NOW + 100 * DAY).strftime("%Y-%m-%d") in answer and ("99 天" in answer or "100 天" in answer)
        assert "禁止转移" in answer and "somethingNew" in answer
    assert root.asked == registry.asked == ["example.test\r\n"] * 2
    assert not llm.journal()


def test_a_name_in_chinese_is_asked_for_as_registries_know_it(bridge, ask, whois):
    root = whois("no such thing\n")
    ask(bridge(whois_server=root.where), "#域名 例子。中国")
    assert root.asked == ["xn--fsqu00a.xn--fiqs8s\r\n"]


def test_what_the_registry_does_not_tell_the_registrar_does(bridge, ask, whois):
    registrar = whois("Registrar: Told By Registrar\nRegistrar Registration Expiration Date: 2001-01-01T00:00:00Z\n")
    registry = whois(f"Creation Date: 2000-05-05\nRegistrar WHOIS Server: {registrar.where}\n")
    root = whois(f"whois: {registry.where}\n")
    program = bridge(whois_server=root.where, tools_allow_private=True)
    answer = ask(program, "#域名 example.test")
    assert "2000-05-05" in answer and "Told By Registrar" in answer and "已过期" in answer
    registrar.close()
    answer = ask(program, "#域名 example.test")
    assert "2000-05-05" in answer and "Told By Registrar" not in answer


def test_a_free_domain_an_unknown_ending_and_an_unknown_spelling(bridge, ask, whois):
    registry = whois("No match for domain EXAMPLE.TEST\n")
    program = bridge(whois_server=whois(f"refer: {registry.where}\n").where, tools_allow_private=True)
    assert "没有注册" in ask(program, "#域名 example.test")
    assert "没有找到这个后缀" in ask(bridge(whois_server=whois("% This query returned 0 objects.\n").where), "#域名 example.nowhere")
    odd = whois("Rate limited. ```\nTry `later`\n".encode() + b"\xff\xfe\n")
    answer = ask(bridge(whois_server=whois(f"refer: {odd.where}\n").where, tools_allow_private=True), "#域名 example.test")
    assert "Rate limited. '''\nTry 'later'" in answer


def test_an_endless_answer_is_cut(bridge, ask, serve, whois):
    def flood(connection):
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(b"Registrar: R\r\nx: y\r\n" * 1000)
    program = bridge(whois_server=whois(f"refer: {serve(flood).where}\n").where, tools_allow_private=True)
    assert "`R`" in ask(program, "#域名 example.test")


@pytest.mark.parametrize("typed", ["#域名", "#证书", "#域名  ", "#域名 nonsense", "#证书 a b.com", "#域名 127.1", "#证书 a.com:99999", "#域名 a.com\r\nb.com",
                                   "#域名 192.0.2.1", "#证书 0x7f000001"])
def test_without_a_usable_argument_the_usage_is_told(bridge, ask, whois, typed):
    root = whois("x\n")
    assert "example.com" in ask(bridge(whois_server=root.where), typed)
    assert root.came == 0


PRIVATE = ["127.0.0.1", "a.localhost", "[::1]", "::1", "[::ffff:127.0.0.1]", "10.1.2.3", "192.168.0.1", "172.16.5.5", "169.254.169.254", "100.64.1.1",
           "0.0.0.0", "224.0.0.1", "[fd00::1]", "[fe80::1]", "[::ffff:10.0.0.1]"]


def test_addresses_of_private_networks_are_not_called(bridge, ask, serve):
    server = serve(lambda connection: connection.recv(1))
    program = bridge()
    for host in PRIVATE:
        port = "" if host == "::1" else f":{server.port}"
        assert "内网" in ask(program, f"#证书 {host}{port}"), host
    assert server.came == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "a.localhost", "[::ffff:127.0.0.1]"])
def test_a_referral_into_a_private_network_is_not_followed(bridge, ask, whois, host):
    inner = whois("Registrar: SECRET\n")
    answer = ask(bridge(whois_server=whois(f"refer: {host}:{inner.port}\n").where), "#域名 example.test")
    assert "内网" in answer and "SECRET" not in answer
    assert inner.came == 0


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate authority, as a directory with ca.pem, and issue(name, names, begin, end)."""
    home = tmp_path_factory.mktemp("ca")
    openssl("req", "-utf8", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 30, "-subj", "/O=测试机构/CN=Test CA", "-keyout", home / "ca.key", "-out", home / "ca.pem")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=leaf`x", "-keyout", home / "leaf.key", "-out", home / "leaf.csr")
    (home / "index").write_text("")
    (home / "index.attr").write_text("unique_subject = no\n")

    def issue(name, names, begin=NOW - DAY, end=NOW + 40 * DAY):
        (home / f"{name}.cnf").write_text(
            f"[ca]\ndefault_ca=d\n[d]\ndatabase={home}/index\nnew_certs_dir={home}\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n"
            f"x509_extensions=e\n[p]\ncommonName=supplied\n[e]\nsubjectAltName={names}\n")
        openssl("ca", "-batch", "-notext", "-config", home / f"{name}.cnf", "-cert", home / "ca.pem", "-keyfile", home / "ca.key", "-in", home / "leaf.csr",
                "-startdate", begin.strftime("%Y%m%d%H%M%SZ"), "-enddate", end.strftime("%Y%m%d%H%M%SZ"), "-out", home / f"{name}.pem")
        return home / f"{name}.pem", home / "leaf.key"

    home_and_issue = type("Authority", (), {"home": home, "issue": staticmethod(issue), "ca": home / "ca.pem"})
    return home_and_issue


@pytest.fixture
def tls(serve):
    def start(certificate, key, **options):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        if options.get("wants_ours"):
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(options["wants_ours"])

        def talk(connection):
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(1)
        return serve(talk)
    return start


def trusting(bridge, authority, **keys):
    return bridge(environment={"SSL_CERT_FILE": str(authority.ca)}, tools_allow_private=True, **keys)


def test_a_good_certificate_is_told(bridge, ask, tls, authority):
    names = ",".join(f"DNS:n{number}.example.com" for number in range(25))
    server = tls(*authority.issue("good", f"DNS:a.localhost,DNS:*.localhost,IP:127.0.0.1,{names}"))
    program = trusting(bridge, authority)
    for host in ("a.localhost", "127.0.0.1"):
        answer = ask(program, f"#证书 {host}:{server.port}")
        assert "可信" in answer and "⚠️" not in answer and "Test CA" in answer and "测试机构" in answer
        assert "`*.localhost`" in answer and "28 个" in answer and "`leaf'x`" in answer and "TLSv1.3" in answer
        assert "39 天" in answer or "40 天" in answer


@pytest.mark.parametrize("name, names, begin, end, said, not_said", [
    ("expired", "DNS:a.localhost", NOW - 20 * DAY, NOW - 3 * DAY, ["已过期", "已过期 3 天"], ["不匹配", "不可信", "自签名"]),
    ("early", "DNS:a.localhost", NOW + 3 * DAY, NOW + 9 * DAY, ["还没有生效"], ["不匹配", "不可信"]),
    ("other", "DNS:b.localhost", NOW - DAY, NOW + 9 * DAY, ["不匹配", "`a.localhost`"], ["过期", "不可信"]),
])
def test_problems_of_a_certificate_are_told_in_words(bridge, ask, tls, authority, name, names, begin, end, said, not_said):
    server = tls(*authority.issue(name, names, begin, end))
    answer = ask(trusting(bridge, authority), f"#证书 a.localhost:{server.port}")
    assert "可信\n" not in answer.replace("不可信", "")
    assert all(each in answer for each in said) and not any(each in answer for each in not_said), answer


def test_an_unknown_issuer_and_a_self_signed_certificate_are_told(bridge, ask, tls, authority):
    program = bridge(tools_allow_private=True)
    server = tls(*authority.issue("unknown", "DNS:a.localhost"))
    answer = ask(program, f"#证书 a.localhost:{server.port}")
    assert "不可信" in answer and "自签名" not in answer
    answer = ask(program, f"#证书 a.localhost:{tls(authority.ca, authority.home / 'ca.key').port}")
    assert "自签名" in answer and "不匹配" in answer


def test_a_server_that_wants_a_certificate_of_ours_shows_its_own(bridge, ask, tls, authority):
    server = tls(*authority.issue("mutual", "DNS:a.localhost"), wants_ours=authority.ca)
    assert "可信" in ask(trusting(bridge, authority), f"#证书 a.localhost:{server.port}")


@pytest.mark.parametrize("banner", [b"", b"SSH-2.0-OpenSSH\r\n", b"\x15\x03\x01\x00\x02\x02\x28", b"\0" * 5000])
def test_what_speaks_no_tls_is_told(bridge, ask, serve, banner):
    server = serve(lambda connection: connection.sendall(banner))
    assert "TLS" in ask(bridge(tools_allow_private=True), f"#证书 a.localhost:{server.port}")


def test_nobody_there_is_told(bridge, ask, serve):
    server = serve(lambda connection: None)
    server.close()
    assert "连接不上" in ask(bridge(tools_allow_private=True), f"#证书 a.localhost:{server.port}")


def test_a_lookup_holds_nothing_up(bridge, webhook, ask, serve):
    release = threading.Event()
    silent = serve(lambda connection: release.wait(20))
    program = bridge(whois_server=silent.where)
    for number in range(3):
        assert program.post(message("#域名 example.test", webhook.url, f"silent-{number}", conversationId=f"c{number}")) == 200
    wait_for(lambda: silent.came == 3, "the lookups to run")
    assert "回答：你好" in ask(program, "你好")
    assert not any(webhook.texts(f"silent-{number}") for number in range(3))
    release.set()
    for number in range(3):
        assert "连接不上" in webhook.wait_texts(1, f"silent-{number}")[0]


def test_too_many_lookups_at_once_are_told_so(bridge, webhook, serve):
    release = threading.Event()
    silent = serve(lambda connection: release.wait(20))
    program = bridge(whois_server=silent.where)
    for number in range(17):
        assert program.post(message("#域名 example.test", webhook.url, "many", conversationId=f"c{number}")) == 200
    assert "太多" in webhook.wait_texts(1, "many")[0]
    assert silent.came <= 16
    release.set()
    webhook.wait_texts(17, "many")


def test_stopping_drops_a_lookup_that_runs(bridge, webhook, serve):
    silent = serve(lambda connection: connection.recv(100) and connection.recv(100))
    program = bridge(whois_server=silent.where, drain_timeout=0)
    assert program.post(message("#域名 example.test", webhook.url, "stopped")) == 200
    wait_for(lambda: silent.came == 1, "the lookup to run")
    program.stop()
    program.start()
    wait_for(lambda: silent.came == 2, "the message to be taken up again")


@pytest.mark.parametrize("tools_for, everybody, admin", [("all", True, True), ("admins", False, True), ("nobody", False, False)])
def test_who_may_look_up(bridge, webhook, whois, tools_for, everybody, admin):
    root = whois("no such thing\n")
    program = bridge(whois_server=root.where, tools_for=tools_for, app_secrets=[SECRET], admin_users=["boss"])
    for who, may in (("user123", everybody), ("boss", admin)):
        for typed in ("#域名 example.test", "帮助"):
            session = f"{tools_for}-{who}-{len(typed)}"
            assert program.post(message(typed, webhook.url, session, senderStaffId=who), signed(SECRET)) == 200
            answer = webhook.wait_texts(1, session)[0]
            assert (("没有找到" if typed != "帮助" else "#证书") in answer) == may
    assert root.came == everybody + admin
