"""Answers to a page that must reach it whatever its script does: where to send a file that a visitor chose."""

from __future__ import annotations

from typing import Any

from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

ANSWER = "file_urls_response"


def keep_answers() -> None:
    """Have Streamlit keep the addresses of uploads that it has not sent yet when a run of the page begins.

    It drops them with what the last run drew: then a file that is chosen just as the page runs again, as it does when
    the model is loaded, is never sent, and nothing is said.
    """
    drop = ForwardMsgQueue.clear
    if getattr(drop, "keeps_answers", False):
        return

    def clear(queue: Any, retain_lifecycle_msgs: bool = False, fragment_ids_this_run: list[str] | None = None) -> None:
        answers = [message for message in queue._queue if message.WhichOneof("type") == ANSWER]
        drop(queue, retain_lifecycle_msgs, fragment_ids_this_run)
        if retain_lifecycle_msgs:
            kept = {id(message) for message in queue._queue}
            queue._queue += [message for message in answers if id(message) not in kept]

    clear.keeps_answers = True  # type: ignore[attr-defined]
    ForwardMsgQueue.clear = clear  # type: ignore[method-assign, assignment]
