"""Who may speak to the server: attacks by a page of another site, on a server that the test itself started."""

import base64
import http.client
import os
import re
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import pytest
from browsing import served

from workbench.catalog import home
from workbench.ui import doors

HANDSHAKE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
PATHS = (
    "/",
    "/explain",
    "/media/x.png",
    "/_stcore/health",
    "/_stcore/host-config",
    "/_stcore/metrics",
    "/_stcore/upload_file/a/b",
)
SWITCHES = {"http": "Upgrade", "opened": 101}


def settings(**more):
    return {k: v for k, v in os.environ.items() if not k.startswith(("WORKBENCH_", "STREAMLIT_", "OMP_"))} | more


def asked(address, path="/_stcore/health", method="GET", body=None, **headers):
    """The status of one request, and its headers, with exactly these of our own."""
    line = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    line.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        line.putheader(name.replace("_", "-"), value)
    if body is not None:
        line.putheader("Content-Length", str(len(body)))
    line.endheaders(body)
    with line.getresponse() as answer:
        return answer.status, dict(answer.getheaders())


def handshake(address, **headers):
    key = base64.b64encode(b"0123456789abcdef").decode()
    return asked(address, "/_stcore/stream", **HANDSHAKE, **{"Sec-WebSocket-Key": key}, **headers)[0]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A server that was started for this machine alone."""
    with served(tmp_path_factory.mktemp("local"), settings()) as (found, _):
        yield found


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A server that listens to everybody, behind a proxy too."""
    options = ("--host", "0.0.0.0", "--allow-host", "inspection.example.com")
    with served(tmp_path_factory.mktemp("shared"), settings(WORKBENCH_HOSTS="second.example.com:8443"), *options) as (
        found,
        _,
    ):
        yield found


FOREIGN = (
    "attack.example",
    "attack.example:{port}",
    "localhost.attack.example:{port}",
    "10.1.2.3",
    "0.0.0.0:{port}",
    "",
    "a b",
    "localhost@x",
)


@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_name_that_points_at_this_machine_is_refused_everywhere(address, host):
    host = host.format(port=urlsplit(address).port)
    for path in PATHS:
        assert asked(address, path, Host=host)[0] in (400, 403), path
    assert handshake(address, Host=host, Origin=f"http://{host}") in (400, 403)
    assert handshake(address, Host=host) in (400, 403)


@pytest.mark.parametrize(
    "origin", ["https://attack.example", "http://localhost:9", "http://127.0.0.1", "null", "file://", "http://"]
)
def test_a_page_of_another_site_or_another_port_is_refused_everywhere(address, origin):
    for path in PATHS:
        assert asked(address, path, Origin=origin)[0] == 403, path
    assert handshake(address, Origin=origin) == 403
    assert asked(address, PATHS[-1], "PUT", b"x", Origin=origin)[0] == 403


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "LOCALHOST", "[::1]"])
def test_this_machine_s_own_names_are_answered(address, name):
    host = f"{name}:{urlsplit(address).port}"
    assert asked(address, Host=host)[0] == 200
    assert handshake(address, Host=host, Origin=f"http://{host}") == 101


def test_a_port_that_is_forwarded_is_answered(address):
    assert handshake(address, Host="localhost:9000", Origin="http://localhost:9000") == 101


def test_what_a_page_of_another_site_embeds_is_refused_and_what_it_links_to_is_not(address):
    embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert asked(address, "/media/x.png", **embedded)[0] == 403
    assert asked(address, "/media/x.png", **(embedded | {"Sec-Fetch-Site": "same-site"}))[0] == 403
    status, headers = asked(address, "/", **(embedded | {"Sec-Fetch-Mode": "navigate"}))
    assert status == 200
    assert "frame-ancestors 'self'" in headers["content-security-policy"]
    assert asked(address, "/", **{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"})[0] == 200


def test_a_shared_server_answers_to_its_own_names_and_those_that_were_listed(shared):
    port = urlsplit(shared).port
    for host in (f"localhost:{port}", f"{socket.gethostname()}:{port}", f"127.0.0.1:{port}"):
        assert handshake(shared, Host=host, Origin=f"http://{host}") == 101, host
    assert handshake(shared, Host="inspection.example.com", Origin="https://inspection.example.com") == 101
    assert handshake(shared, Host=f"127.0.0.1:{port}", Origin="https://inspection.example.com") == 101, (
        "a proxy that writes its own Host"
    )
    assert handshake(shared, Host=f"127.0.0.1:{port}", Origin="https://second.example.com:8443") == 101
    assert handshake(shared, Host=f"127.0.0.1:{port}", Origin="https://second.example.com") == 403
    assert handshake(shared, Host=f"127.0.0.1:{port}", Origin="https://attack.example") == 403
    for host in ("attack.example", "10.1.2.3", "0.0.0.0"):
        assert handshake(shared, Host=f"{host}:{port}", Origin=f"http://{host}:{port}") == 403
        assert asked(shared, Host=f"{host}:{port}")[0] == 403


WATCHED = """
import sys
from streamlit import net_util
def told(*_, **__):
    print("ASKED FOR ITS ADDRESS", file=sys.stderr, flush=True)
net_util.get_external_ip = net_util._make_blocking_http_get = told
from streamlit.web.cli import main
sys.argv = ["streamlit", "run", {app!r}, "--server.port", {port!r}]
main()
"""


def test_a_bare_streamlit_run_is_guarded_and_asks_nobody_for_its_address(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = WATCHED.format(app=str(home() / "workbench" / "app.py"), port=str(port))
    log = tmp_path / "log"
    with log.open("w") as out:
        server = subprocess.Popen([sys.executable, "-c", code], cwd=home(), env=settings(), stdout=out, stderr=out)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                assert asked(address)[0] == 200
                break
            except OSError:
                time.sleep(0.2)
        assert handshake(address, Origin=address) == 101
        assert handshake(address, Origin="https://attack.example") == 403
        assert handshake(address, Host=f"attack.example:{port}", Origin=f"http://attack.example:{port}") == 403
        assert asked(address, Host="attack.example")[0] == 403
    finally:
        server.terminate()
        server.wait(20)
    assert "ASKED" not in log.read_text()
    assert f"127.0.0.1:{port}" in log.read_text()


def test_who_comes_through_a_proxy_is_not_at_this_machine(monkeypatch):
    assert doors.expected("127.0.0.1").local
    assert not doors.expected("0.0.0.0").local
    assert not doors.expected(None).local
    monkeypatch.setenv(doors.HOSTS_VARIABLE, "inspection.example.com")
    assert not doors.expected("127.0.0.1").local


def test_who_is_refused_learns_how_to_be_let_in(address):
    line = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    line.request("GET", "/", headers={"Host": "inspection.example.com"})
    assert b"--allow-host" in line.getresponse().read()


def test_a_name_that_is_none_is_one_sentence(monkeypatch, refusal):
    monkeypatch.setenv(doors.HOSTS_VARIABLE, "good.example, https://bad.example/")
    assert "https://bad.example/" in refusal(lambda: doors.expected("127.0.0.1"))


def test_a_server_that_listens_elsewhere_than_it_was_told_answers_nobody():
    here = doors.Guests("127.0.0.1")
    assert here.knows(("localhost", 8501), "127.0.0.1")
    assert here.knows(("localhost", 8501), "::ffff:127.0.0.1")
    assert not here.knows(("localhost", 8501), "192.168.1.5")
    everywhere = doors.Guests("::")
    assert everywhere.knows(doors.place("192.168.1.5:8501"), "::ffff:192.168.1.5")
    assert not everywhere.knows(doors.place("192.168.1.6:8501"), "::ffff:192.168.1.5")
    assert everywhere.knows(doors.place("[FE80:0::1]:8501"), "fe80::1")


def test_the_policy_names_nothing_outside(address):
    policy = asked(address, "/")[1]["content-security-policy"]
    outside = [
        word
        for word in re.findall(r"\S+//\S+", policy)
        if urlsplit(word.rstrip(";")).netloc != urlsplit(address).netloc
    ]
    assert outside == []
    assert "default-src 'self'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
