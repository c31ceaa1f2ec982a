"""The address of an upload reaches the page though a run begins before it was sent."""

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

from workbench.ui.answers import keep_answers


@pytest.fixture
def queue(monkeypatch):
    monkeypatch.setattr(ForwardMsgQueue, "clear", ForwardMsgQueue.clear)
    keep_answers()
    keep_answers()
    queue = ForwardMsgQueue()
    answer, drawn, begun = ForwardMsg(), ForwardMsg(), ForwardMsg()
    answer.file_urls_response.response_id = "1"
    drawn.delta.new_element.text.body = "old"
    drawn.metadata.delta_path[:] = [0, 0]
    begun.new_session.name = "x"
    for message in (begun, answer, drawn):
        queue.enqueue(message)
    return queue


def kinds(queue):
    return [message.WhichOneof("type") for message in queue.flush()]


def test_a_run_that_begins_drops_what_was_drawn_and_no_address_of_an_upload(queue):
    queue.clear(retain_lifecycle_msgs=True)
    assert kinds(queue) == ["new_session", "file_urls_response"]


def test_a_part_of_a_page_that_runs_again_sends_the_address_once(queue):
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=["a"])
    assert kinds(queue).count("file_urls_response") == 1


def test_a_session_that_ends_keeps_nothing(queue):
    queue.clear()
    assert kinds(queue) == []
