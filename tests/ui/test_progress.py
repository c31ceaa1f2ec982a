"""What a bar of progress promises: the time left in words, by the pace of this run."""

from streamlit.testing.v1 import AppTest

from workbench.ui import progress


def resumed():
    from workbench.ui.progress import Stoppable

    work = Stoppable("Checking maps", "maps")
    for done in (20, 21, 22):
        work(done, 30)


def test_time_left_is_in_words_and_counts_what_was_done_in_this_run_alone(monkeypatch):
    clock = iter((0.0, 0.0, 400.0, 800.0))
    monkeypatch.setattr(progress, "BAR_AFTER", -1.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock, 800.0))
    (bar,) = AppTest.from_function(resumed, default_timeout=60).run().get("progress")
    assert bar.proto.text == "Checking maps: 22 of 30, about 53 min left"
