"""What the upload endpoint holds is counted: raw uploads that no page asked for, on a server with small limits."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import threading
import time

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

MB = 2**20
LAUNCHER = """
from workbench import doors
real = doors.Limits
doors.Limits = lambda **_: real(bytes=3 * 2**20, files=5, bytes_of_all=5 * 2**20)
from workbench.app import app
app.run(config={{"server.port": {port}, "server.address": "127.0.0.1", "server.headless": True}})
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    settings = {k: v for k, v in os.environ.items() if not k.startswith(("WORKBENCH_", "STREAMLIT_"))}
    folder = tmp_path_factory.mktemp("server")
    server = subprocess.Popen([sys.executable, "-c", LAUNCHER.format(port=number)], cwd=folder, env=settings)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", number), timeout=1):
                break
            time.sleep(0.2)
        yield number
    finally:
        server.terminate()
        server.wait(20)


class Visitor:
    """A session, and uploads to it without a page."""

    def __init__(self, port):
        self.port = port
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        line.request("GET", "/_stcore/health")
        self.token = line.getresponse().getheader("Set-Cookie").split("=", 1)[1].split(";")[0]
        self.socket = connect(f"ws://127.0.0.1:{port}/_stcore/stream", subprotocols=["streamlit"], max_size=None)
        asked = BackMsg()
        asked.rerun_script.query_string = "model=no-such-model"
        self.socket.send(asked.SerializeToString())
        message = ForwardMsg()
        while not message.HasField("new_session"):
            message.ParseFromString(self.socket.recv(timeout=60))
        self.session = message.new_session.initialize.session_id

    def send(self, method, name, body=b""):
        edge = "edge-of-a-part"
        head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'.encode()
        data = head + body + f"\r\n--{edge}--\r\n".encode()
        headers = {
            "Content-Type": f"multipart/form-data; boundary={edge}",
            "X-Xsrftoken": self.token,
            "Cookie": f"_streamlit_xsrf={self.token}",
        }
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            line.request(method, f"/_stcore/upload_file/{self.session}/{name}", data, headers)
            return line.getresponse().status
        except (BrokenPipeError, ConnectionResetError):
            return 413  # it hung up while the rest was still on its way
        finally:
            line.close()

    def put(self, name, size):
        return self.send("PUT", name, bytes(size))


@pytest.fixture
def arrive(port):
    with contextlib.ExitStack() as stack:

        def visitor():
            found = Visitor(port)
            stack.callback(found.socket.close)
            return found

        yield visitor


def test_one_visitor_s_uploads_are_bounded_and_can_be_removed(arrive):
    visitor = arrive()
    assert [visitor.put(f"f{i}", MB - 10_000) for i in range(4)] == [204, 204, 204, 413]
    assert visitor.send("DELETE", "f1") == 204
    assert visitor.put("f4", MB - 10_000) == 204
    assert visitor.put("f5", MB) == 413
    for i in range(6):
        visitor.send("DELETE", f"f{i}")


def test_many_empty_files_are_bounded_too(arrive):
    visitor = arrive()
    assert [visitor.put(f"e{i}", 0) for i in range(7)] == [204] * 5 + [413] * 2
    for i in range(7):
        visitor.send("DELETE", f"e{i}")


def test_all_visitors_together_are_bounded(arrive):
    first, second = arrive(), arrive()
    assert [first.put(f"a{i}", MB - 10_000) for i in range(3)] == [204] * 3
    assert [second.put(f"b{i}", MB - 10_000) for i in range(3)] == [204, 204, 413]
    for i in range(3):
        first.send("DELETE", f"a{i}")
        second.send("DELETE", f"b{i}")


def test_uploads_at_the_same_time_are_counted_together(arrive):
    visitor, got = arrive(), []
    threads = [threading.Thread(target=lambda i=i: got.append(visitor.put(f"t{i}", MB - 10_000))) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert got.count(204) <= 3
    assert got.count(204) + got.count(413) == 8
