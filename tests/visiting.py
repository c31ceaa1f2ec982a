"""Visitors without a browser: a real server, its WebSocket and its upload endpoint."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

LAUNCHER = """
{before}
from workbench.app import app
app.run(config={{"server.port": {port}, "server.address": {host!r}, "server.headless": True}})
"""


@contextlib.contextmanager
def launched(folder, before="", host="127.0.0.1", **settings):
    """The port and the process of a server that runs in a folder, after some code of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own = {k: v for k, v in os.environ.items() if not k.startswith(("WORKBENCH_", "STREAMLIT_"))}
    own |= {"WORKBENCH_JOURNAL": str(folder / "journal.sqlite")} | settings
    code = LAUNCHER.format(before=before, port=port, host=host)
    process = subprocess.Popen([sys.executable, "-c", code], cwd=folder, env=own)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.2)
        yield port, process
    finally:
        process.terminate()
        process.wait(30)


class Visitor:
    """A session, and uploads to it without a page."""

    def __init__(self, port, page="", query="model=no-such-model"):
        self.port = port
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        line.request("GET", "/_stcore/health")
        self.token = line.getresponse().getheader("Set-Cookie").split("=", 1)[1].split(";")[0]
        self.socket = connect(
            f"ws://127.0.0.1:{port}/_stcore/stream", subprotocols=["streamlit"], max_size=None, max_queue=None
        )
        asked = BackMsg()
        asked.rerun_script.query_string, asked.rerun_script.page_name = query, page
        self.socket.send(asked.SerializeToString())
        self.session = next(m for m in self.messages(60) if m.HasField("new_session")).new_session.initialize.session_id

    def messages(self, seconds):
        """What the server sends, until nothing came for so long."""
        with contextlib.suppress(TimeoutError):
            while True:
                message = ForwardMsg()
                message.ParseFromString(self.socket.recv(timeout=seconds))
                yield message

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
