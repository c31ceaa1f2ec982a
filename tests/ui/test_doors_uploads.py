"""What the upload endpoint holds is counted: raw uploads that no page asked for, on a server with small limits."""

import contextlib
import threading

import pytest
from visiting import Visitor, launched

MB = 2**20
SMALL = """
from workbench.ui import doors
real = doors.Limits
doors.Limits = lambda **_: real(bytes=3 * 2**20, files=5, bytes_of_all=5 * 2**20)
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    with launched(tmp_path_factory.mktemp("server"), SMALL) as (number, _):
        yield number


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
