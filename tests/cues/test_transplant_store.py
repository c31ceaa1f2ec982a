"""Trials on disk: a search that was stopped goes on, and what is kept says the same."""

import dataclasses

import numpy as np
import pytest
from cornered import CORNER, Painted, ReadsCorner

import workbench as wb
from workbench.cues import RECORDED, Cue, cue_search, recorded, search, study_of, transplant_store
from workbench.files import read_value, write_value

pytest_plugins = ["cornered"]
PLACES = {"corner": Painted(CORNER, slice(0, 8)), "elsewhere": Painted(slice(0, 8), CORNER)}


@pytest.fixture(autouse=True)
def two_cues(monkeypatch):
    def proposed(study, target):
        for name, exchange in PLACES.items():
            crop = np.full((4, 4, 3), 200, np.uint8)
            yield Cue("place", name, target, exchange, ("a.png",), crop, (0.75, 0.75, 1, 1), (0.9, 0.1), "brightness")

    monkeypatch.setattr(cue_search, "PROPOSERS", {"place": proposed})


@pytest.fixture
def trials(monkeypatch):
    """The cues that were tried, not read."""
    names, real = [], transplant_store.transplant

    def counted(study, cue, *rest):
        names.append((cue.target, cue.name))
        return real(study, cue, *rest)

    monkeypatch.setattr(transplant_store, "transplant", counted)
    return names


@pytest.fixture
def study(parts, classifier):
    return study_of(classifier, list(parts), wb.predict(classifier, parts))


def facts(result):
    """All of a search that can be compared."""
    return [
        (f.verdict, f.p, f.cue.name, f.cue.target, *[(w.flips, w.decoys, w.effect, w.p) for w in (t.put, t.taken)])
        for f in result.findings
        for t in [f.transplant]
    ]


def test_a_search_that_was_stopped_goes_on_where_it_was(study, tmp_path, trials):
    def stop(step, done, total):
        if step.startswith("Trans") and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(study, stop, tmp_path)
    assert len(trials) == 2
    whole = search(study, folder=tmp_path)
    assert sorted(trials) == [(c, n) for c in ("bright", "dark") for n in sorted(PLACES)], "each is tried once"
    assert facts(whole) == facts(search(study)), "and comes to what it comes to without a folder"


def test_a_trial_of_another_sample_model_or_cue_is_not_taken(parts, study, classifier, tmp_path, trials):
    search(study, folder=tmp_path)
    trials.clear()
    other = wb.load_classifier(
        ReadsCorner(), class_names=("dark", "bright"), size=(32, 32), mean=(0.1, 0, 0), std=(1, 1, 1)
    )
    swapped = dataclasses.replace(study, explore=~study.explore)
    for another in (dataclasses.replace(study, classifier=other), dataclasses.replace(study, seed=1), swapped):
        search(another, folder=tmp_path)
        assert len(trials) == 4
        trials.clear()
    for path in tmp_path.iterdir():
        path.write_text(path.read_text()[:-1] + "x")
    search(study, folder=tmp_path)
    assert len(trials) == 4, "a damaged file is none"


def test_what_is_kept_says_the_same_and_edits_nothing(study, tmp_path):
    whole = search(study)
    write_value(tmp_path / "search.json", recorded(whole))
    again = read_value(tmp_path / "search.json", *RECORDED)
    assert facts(again) == facts(whole)
    rest = [dataclasses.asdict(dataclasses.replace(each, findings=())) for each in (again, whole)]
    assert rest[0] == rest[1]
    accused, clear = again.findings[0], again.findings[-1]
    assert (accused.accused, clear.accused) == (True, False)
    np.testing.assert_array_equal(accused.transplant.before, whole.findings[0].transplant.before)
    assert clear.transplant.before is None
    frame = accused.transplant.taken.frame
    assert frame.to_dict() == whole.findings[0].transplant.taken.frame.to_dict()
    assert accused.cue.exchange.put(np.zeros((32, 32, 3), np.uint8), np.random.default_rng(0), decoy=False) is None


def test_the_record_tells_what_each_image_is_called_then(study):
    way = next(f for f in search(study).findings if f.cue.name == "corner" and f.cue.target == "bright").transplant
    assert set(way.put.frame["to"]) == {"bright"}
    assert set(way.put.frame["decoy to"]) == {"dark"}
    assert set(way.taken.frame["to"]) == {"dark"}
