"""Records of trainings: our own, and the histories of others, damaged ones too."""

from __future__ import annotations

import json
import math

import pytest

from workbench.reliability.training_record import (
    LARGEST_RECORD,
    MOST_EPOCHS,
    RECORD,
    history_result,
    read_record,
    record_text,
)

FALLING = [(1.0, 1.2), (0.8, 0.9), (0.6, 0.7), (0.5, 0.6), (0.4, 0.45)]


def test_what_is_written_is_read(tmp_path) -> None:
    digests = [f"{i:064x}"[::-1] for i in range(3)]
    text = record_text(digests[:2], digests[2:], [(0.5, math.inf), (0.25, 0.75)], 2, started_from="abc")
    (tmp_path / RECORD).write_text(text)
    record = read_record(tmp_path)
    assert record.trained_on == {digest[:16] for digest in digests[:2]}
    assert record.chosen_on == {digests[2][:16]}
    assert (record.kept, record.source, record.started_from) == (2, RECORD, "abc")
    assert record.history["validation loss"].tolist()[1] == 0.75
    assert math.isnan(record.history["validation loss"][0])
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_nothing_is_recorded(tmp_path) -> None:
    assert read_record(None) is None
    assert read_record(tmp_path) is None
    assert history_result(None).verdict == "unknown"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("history.csv", "epoch,loss,val_loss,accuracy\n0,1.0,1.2,0.5\n1,0.8,0.9,0.6\n"),
        ("history.json", json.dumps({"loss": [1.0, 0.8], "val_loss": [1.2, 0.9], "accuracy": [0.5, 0.6]})),
        (
            "history.json",
            json.dumps([{"loss": 1.0, "val_loss": 1.2, "acc": 0.5}, {"loss": 0.8, "val_loss": 0.9, "acc": 0.6}]),
        ),
        ("results.csv", "epoch, train/loss, val/loss, acc\n1, 1.0, 1.2, 0.5\n2, 0.8, 0.9, 0.6\n"),
        ("metrics.csv", "epoch,train_loss,val_loss,train_acc\n0,1.0,,0.5\n0,,1.2,\n1,0.8,,0.6\n1,,0.9,\n"),
        (
            "trainer_state.json",
            json.dumps(
                {
                    "log_history": [
                        {"epoch": 1.0, "loss": 1.0, "accuracy": 0.5},
                        {"epoch": 1.0, "eval_loss": 1.2},
                        {"epoch": 2.0, "loss": 0.8, "accuracy": 0.6},
                        {"epoch": 2.0, "eval_loss": 0.9},
                    ]
                }
            ),
        ),
    ],
)
def test_histories_of_others_say_the_same(tmp_path, name, text) -> None:
    (tmp_path / name).write_text(text)
    record = read_record(tmp_path)
    assert record.trained_on is None
    assert record.history["training loss"].tolist() == [1.0, 0.8]
    assert record.history["validation loss"].tolist() == [1.2, 0.9]
    assert record.history["training accuracy"].tolist() == [0.5, 0.6]
    assert history_result(record).verdict == "unknown"


def test_an_epoch_that_was_run_again_counts_once_and_nan_is_no_figure(tmp_path) -> None:
    (tmp_path / "history.csv").write_text("epoch,loss,val_loss\n1,1.0,1.2\n2,0.8,nan\n2,0.7,0.9\n3,inf,0.8\n")
    history = read_record(tmp_path).history
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["validation loss"].tolist() == [1.2, 0.9, 0.8]
    assert math.isnan(history["training loss"][2])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (RECORD, b"{}"),
        (RECORD, b"[1, 2"),
        (RECORD, b"\xff\xfe\x00"),
        ("history.json", b"3"),
        ("history.json", b'{"loss": [1, 2], "val_loss": [1]}'),
        ("history.json", b"[" * 100_000),
        ("history.json", b" " * (LARGEST_RECORD + 1)),
        ("history.csv", b"loss\n" + b"1\n" * (MOST_EPOCHS + 1)),
    ],
)
def test_damaged_records_are_refused_in_a_sentence(tmp_path, name, content, refusal) -> None:
    (tmp_path / name).write_bytes(content)
    assert f"{name} beside the model cannot be read" in refusal(lambda: read_record(tmp_path))


def told(tmp_path, losses, kept):
    (tmp_path / RECORD).write_text(record_text([], (), losses, kept))
    return history_result(read_record(tmp_path))


def test_what_a_history_comes_to(tmp_path) -> None:
    falling = told(tmp_path, FALLING, 5)
    assert (falling.verdict, falling.figure, falling.support) == ("warn", 5.0, 5)
    assert "still falling" in falling.sentence
    risen = [*FALLING, *[(0.1, 0.8)] * 5]
    assert told(tmp_path, risen, 5).verdict == "ok"
    assert "The weights of epoch 10 are kept" in told(tmp_path, risen, 10).sentence
    assert told(tmp_path, risen, 10).verdict == "warn"
    assert told(tmp_path, risen, None).verdict == "unknown"
    level = [*FALLING, (0.4, 0.449), (0.4, 0.448), (0.4, 0.447), (0.4, 0.446), (0.4, 0.445)]
    assert told(tmp_path, level, 10).verdict == "ok", "a schedule that ends at a rate of 0 is not one cut short"
    assert told(tmp_path, FALLING[:2], 2).verdict == "unknown"
