"""What a study of maps keeps: it goes on where it was stopped, is named after all it rests on, and is not believed."""

from __future__ import annotations

import dataclasses

import pytest
from reported import cheap_checks, subject

from workbench.attribution import METHODS
from workbench.evidence import LEAN, NOT_RELIED_ON
from workbench.files import KINDS, read_value, write_value
from workbench.images import BytesSource
from workbench.report import (
    Choices,
    compiled,
    dossier,
    map_study,
    maps_again,
    maps_kept,
    maps_sampled,
    read_report,
    recheck,
    report_of,
)
from workbench.report.check_parts import CHECK_PARTS
from workbench.report.maps_kept import RatedMap, kept_map, rating_key

__all__ = ["cheap_checks", "subject"]
SAMPLE = 6


class StoppedError(Exception):
    """What a progress raises when its user stops it."""


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(maps_sampled, "DECISIONS", SAMPLE)
    monkeypatch.setattr(maps_sampled, "MADE_AGAIN", 2)


@pytest.fixture
def made(monkeypatch):
    """The names of the images whose maps were made, in their order."""
    names = []
    plain = maps_sampled.rated_map

    def noted(classifier, item, *others):
        result = plain(classifier, item, *others)
        names.append(item.name)
        return result

    monkeypatch.setattr(maps_sampled, "rated_map", noted)
    return names


def asked(subject):
    return subject.classifier, subject.images, subject.predictions


def test_a_study_that_was_stopped_goes_on_where_it_was(subject, made, tmp_path) -> None:
    whole = map_study(*asked(subject)).frame
    assert made == whole["name"].tolist()
    made.clear()

    def stopping(done: int, total: int) -> None:
        if done == 4:
            raise StoppedError

    with pytest.raises(StoppedError):
        map_study(*asked(subject), stopping, tmp_path)
    assert made == whole["name"].tolist()[:4]
    told = []
    resumed = map_study(*asked(subject), lambda *at: told.append(at), tmp_path)
    assert made == whole["name"].tolist()
    assert set(told) == {(4, SAMPLE), (5, SAMPLE)}
    assert resumed.frame.equals(whole)
    assert map_study(*asked(subject), folder=tmp_path).frame.equals(whole)
    assert len(made) == SAMPLE


@pytest.fixture
def others(subject):
    """A model, an image and a method, each ingredient of a rating's name changed alone."""
    model, item = subject.classifier, subject.images.items[0]
    changed = BytesSource(item.source.read() + b"one more")
    return {
        "model": (dataclasses.replace(model, key="another"), item, "saliency"),
        "rule": (
            dataclasses.replace(model, rule=dataclasses.replace(model.rule, temperature=2.0)),
            item,
            "saliency",
        ),
        "image": (model, dataclasses.replace(item, source=changed), "saliency"),
        "mask": (model, dataclasses.replace(item, mask=BytesSource(b"mask")), "saliency"),
        "method": (model, item, "grad_cam"),
    }


def test_each_ingredient_makes_a_rating_anew(subject, others, tmp_path, monkeypatch) -> None:
    one = subject.classifier, subject.images.items[0], "saliency"
    write_value(tmp_path / f"{rating_key(*one)}.json", RatedMap(LEAN, ""))
    assert kept_map(*one, tmp_path) == RatedMap(LEAN, "")
    assert kept_map(*one, None) is None
    for what, other in others.items():
        assert kept_map(*other, tmp_path) is None, what
    for kind in ("map", "findings"):
        with monkeypatch.context() as patch:
            raised = dataclasses.replace(KINDS[kind], version=KINDS[kind].version + 1)
            patch.setattr(maps_kept, "KINDS", {**KINDS, kind: raised})
            assert kept_map(*one, tmp_path) is None, kind
    for name, value in (("BUDGET", "full"), ("SEED", 1)):
        with monkeypatch.context() as patch:
            patch.setattr(maps_kept, name, value)
            assert kept_map(*one, tmp_path) is None, name
    other = dataclasses.replace(METHODS["saliency"], params={**METHODS["saliency"].params, "more": 1})
    with monkeypatch.context() as patch:
        patch.setattr("workbench.attribution.METHODS", {**METHODS, "saliency": other})
        assert kept_map(*one, tmp_path) is None, "settings"
    assert kept_map(*one, tmp_path) == RatedMap(LEAN, "")


def test_a_damaged_record_is_made_anew(subject, made, tmp_path) -> None:
    whole = map_study(*asked(subject), folder=tmp_path).frame
    paths = sorted(tmp_path.glob("*.json"))
    assert len(paths) == SAMPLE
    paths[0].write_text(paths[0].read_text()[:-3])
    paths[1].write_text("")
    made.clear()
    assert map_study(*asked(subject), folder=tmp_path).frame.equals(whole)
    assert len(made) == 2


def test_some_are_made_again_and_all_where_one_is_not_as_recorded(subject, made, tmp_path) -> None:
    assert maps_again(*asked(subject), tmp_path) == "All 6 maps of the study were made again."
    assert made == []  # they are made when the study is
    whole = map_study(*asked(subject), folder=tmp_path).frame
    made.clear()
    said = maps_again(*asked(subject), tmp_path, seed=0)
    assert said == "2 of 6 maps of the study were made again, the others taken from the study as recorded."
    assert len(made) == len(set(made)) == 2
    draws = set()
    for _ in range(12):
        made.clear()
        maps_again(*asked(subject), tmp_path)
        draws.add(frozenset(made))
    assert len(draws) > 3, "the same are made again each time"
    other = NOT_RELIED_ON if whole["rating"].iloc[0] == LEAN else LEAN
    for path in tmp_path.glob("*.json"):
        write_value(path, RatedMap(other, ""))
    made.clear()
    differ = int((whole["rating"] != other).sum())
    said = maps_again(*asked(subject), tmp_path)
    assert len(made) == SAMPLE
    assert said == f"All 6 maps of the study were made again: of those that were recorded, {differ} came out otherwise."
    assert map_study(*asked(subject), folder=tmp_path).frame.equals(whole)


def test_a_report_of_a_study_that_was_tampered_with_is_found(subject, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(dossier, "CHECK_PARTS", {"maps": CHECK_PARTS["maps"]})
    monkeypatch.setattr(maps_kept, "cache_folder", lambda: tmp_path)
    choices = Choices(subject.model, "parts", sections=("health",))
    honest = report_of(compiled(subject), choices)
    folder = maps_kept.ratings_folder()
    for path in folder.glob("*.json"):
        word = read_value(path, RatedMap).word
        write_value(path, RatedMap(NOT_RELIED_ON if word == LEAN else LEAN, ""))  # whichever is drawn is another one
    path = tmp_path / "report.html"
    path.write_text(report_of(compiled(subject), choices), encoding="utf-8", newline="\n")
    maps_again(*asked(subject), folder)
    result = recheck(read_report(path), report_of(compiled(subject), choices))
    assert result.sealed
    assert any(each.name.startswith("health/maps") for each in result.differences), result.differences
    path.write_text(honest, encoding="utf-8", newline="\n")
    assert recheck(read_report(path), report_of(compiled(subject), choices)).same
