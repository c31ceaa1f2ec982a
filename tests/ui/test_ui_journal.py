"""The Journal page: it says whether the record is sound, shows what stands in it, and hands it on, or says why it
cannot."""

import csv
import datetime
import io
import json
import re
import sqlite3

import pytest
from decisions import digest, draft, overruled
from inspected import image

from workbench.errors import InputError
from workbench.images.item import BytesSource, ImageItem, ImageSet
from workbench.journal import store as inner
from workbench.journal.export import to_json
from workbench.journal.notes import Note
from workbench.journal.store import Journal
from workbench.ui import choice, draw, session
from workbench.ui import journal as page


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Where the journal of this test lies."""
    monkeypatch.setenv("WORKBENCH_JOURNAL", str(tmp_path / "journal.sqlite"))
    return tmp_path / "journal.sqlite"


@pytest.fixture
def kept(path):
    """A journal of three entries."""
    made = Journal(path)
    made.append(draft(user="Ada"))
    made.append(overruled(user="Ben", image=digest("other"), image_name="cell0002.png"))
    made.append(draft(user="Cy"))
    return made


@pytest.fixture
def downloads(monkeypatch):
    """What can be downloaded, by file name, made when it is called."""
    made = {}
    monkeypatch.setattr(draw.st, "download_button", lambda label, make, name, mime, **_: made.update({name: make}))
    return made


def tampered(path, *statements):
    with sqlite3.connect(path) as db:
        for name in ("no_update", "no_delete", "only_at_the_end"):
            db.execute(f"DROP TRIGGER {name}")
        db.execute("DROP INDEX by_image")
        for statement in statements:
            db.execute(statement)
    db.close()


def problems(at):
    return [at.unescaped(e.value) for e in at.error]


def press(at, label):
    return next(b for b in at.button if at.unescaped(b.label).startswith(label)).click().run()


def cards(at):
    """Number, author and what was said of each entry shown, in their order."""
    texts = [at.unescaped(m.value) for m in at.markdown]
    starts = [i for i, text in enumerate(texts) if text.startswith("**Entry ")]
    heads = [re.match(r"\*\*Entry (\d+)\*\* · .* UTC · (.*)", texts[i]).groups() for i in starts]
    return [(int(number), who, texts[i + 2]) for (number, who), i in zip(heads, starts, strict=True)]


# Sound


def test_a_new_journal_leads_to_the_decisions(visit, path):
    at = visit("journal").sound("Journal")
    assert at.said() == ["No decisions yet. Open an image on the Defects page and record your verdict."]
    asked = [link.proto.query_string for link in at.get("page_link")]
    assert sum("view=decisions" in query for query in asked) == 1
    assert not cards(at)


def test_a_sound_journal_shows_its_entries_newest_first(visit, kept):
    at = visit("journal").sound("Journal")
    (success,) = at.success
    assert success.value.startswith("Sound: 3 entries, ")
    assert at.code[0].value == kept.head().hash
    assert cards(at) == [
        (3, "Cy", "Agreed."), (2, "Ben", "Overruled: it is **functional**. a reflection"), (1, "Ada", "Agreed."),
    ]  # fmt: skip
    assert sum("Score 0.9300, threshold 0.4100" in at.unescaped(m.value) for m in at.markdown) == 3
    assert json.loads(at.json[0].value)["hash"] == kept.head().hash
    assert [e.label for e in at.expander if e.label == "All fields"] == ["All fields"] * 3


def test_a_card_shows_the_image_of_these_very_bytes_or_says_why_not(visit, path, three):
    found = three(image("red"), image("green"), b"no image")
    made = Journal(path)
    for name, content in (("0.png", 0), ("1.png", 0), ("2.png", 2), ("elsewhere.png", 1)):
        made.append(draft(image=found.items[content].id, image_name=name))
    at = visit("journal").sound()
    said = [at.unescaped(c.value) for c in at.caption if "image_not_supported" in c.value]
    assert [text.split(": ", 1)[1] for text in said] == [
        "Not in Three *cells*.", "The image cannot be read.", "The file of this name holds another image now.",
    ]  # fmt: skip
    assert len([i for i in at.get("image") if i.proto.imgs]) == 1


def test_only_what_was_overruled(visit, kept):
    at = visit("journal", entries="overruled").sound()
    assert [who for _, who, _ in cards(at)] == ["Ben"]
    at.get_by_key("entries").set_value("all")
    assert len(cards(at.run().sound())) == 3
    assert at.query_params.get("entries", []) == []


def test_nothing_was_overruled(visit, path):
    Journal(path).append(draft())
    assert "No decision has been overruled yet." in visit("journal", entries="overruled").sound().said()


def test_many_entries_come_in_pages(visit, path):
    made = Journal(path)
    for number in range(page.PAGE + 3):
        made.append(draft(user=f"user {number}"))
    at = visit("journal", sheet="2").sound()
    assert [number for number, *_ in cards(at)] == [3, 2, 1]
    for strange in ("0", "-1", "x", "1e9", "²"):
        assert cards(visit("journal", sheet=strange, entries="none").sound())[0][0] == page.PAGE + 3
    assert [number for number, *_ in cards(visit("journal", sheet="999999").sound())] == [3, 2, 1]


def test_a_digest_that_was_kept_covers_what_came_before(visit, kept):
    at = visit("journal").sound()
    noted = kept.entries()[1].hash
    at.text_input(key="expected digest").set_value(f"  {noted.upper()} ").run().sound()
    assert any("is that of entry 2" in s.value for s in at.success)
    at.text_input(key="expected digest").set_value(digest("another")).run()
    assert any("that was expected" in text for text in problems(at))


@pytest.mark.parametrize(
    ("typed", "said"),
    [("0" * 64, "64 zeros are the digest of no entry"), ("12ab", "give all 64 characters"), ("x" * 64, "64")],
)
@pytest.mark.parametrize("entries", [0, 3])
def test_what_vouches_for_nothing_is_no_success(visit, path, typed, said, entries):
    made = Journal(path)
    for _ in range(entries):
        made.append(draft())
    at = visit("journal").sound()
    at.text_input(key="expected digest").set_value(typed).run().sound()
    (warning,) = at.warning
    assert said in at.unescaped(warning.value)
    assert "Not checked." in warning.value
    assert not at.success
    assert not any("No decisions yet" in text for text in at.said())


def test_an_emptied_journal_without_its_head_file_shows_against_a_digest_that_was_kept(visit, path, kept):
    noted = kept.head().hash
    tampered(path, "DELETE FROM entries")
    with sqlite3.connect(path) as db:
        for name, rule in inner.RULES.items():
            if name not in ("entries",):
                db.execute(rule)
    db.close()
    path.with_name("journal.sqlite.head").unlink()
    at = visit("journal").sound()
    assert any("No decisions yet" in text for text in at.said()), "nobody can tell it from a new one"
    at.text_input(key="expected digest").set_value(noted).run()
    assert any("that was expected" in text for text in problems(at))
    assert not at.success


def test_a_clock_that_was_set_back_is_said(visit, path, monkeypatch):
    made, times = Journal(path), iter([30, 10])

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, zone=None):
            return datetime.datetime(2026, 3, next(times, 31), 8, tzinfo=zone)

    with monkeypatch.context() as patch:
        patch.setattr(inner.datetime, "datetime", Clock)
        made.append(draft())
        made.append(draft())
        assert "earlier time" in made.verify().notes[0]
    at = visit("journal").sound()
    assert any("Entry 2 has an earlier time than entry 1" in text for text in at.said())
    assert at.success[0].value.startswith("Sound: 2 entries")


# Where others reach the server


@pytest.fixture
def shared_server(monkeypatch):
    """Others reach the server."""
    monkeypatch.setenv("WORKBENCH_HOSTS", "inspection.example.com")
    assert not session.local()


def test_a_shared_server_shows_its_journal_and_takes_no_entry(visit, kept, shared_server, path):
    at = visit("journal").sound("Journal")
    assert any("without a login" in text for text in at.said())
    assert [number for number, *_ in cards(at)] == [3, 2, 1]
    assert not any(str(path.parent) in text for text in [*at.said(), *(c.value for c in at.caption)])


def test_a_shared_server_makes_no_journal(visit, path, shared_server):
    at = visit("journal").sound("Journal")
    assert any("without a login" in text for text in at.said())
    assert not any("record your verdict" in text for text in at.said())
    assert not path.exists()


def test_a_shared_server_names_no_path_where_its_journal_is_damaged(visit, path, shared_server):
    path.write_bytes(b"Dear diary, " * 500)
    (said,) = problems(visit("journal"))
    assert said.startswith("The journal of this server is not a journal, or is damaged")
    assert str(path) not in said


def test_a_long_journal_is_checked_when_asked(visit, kept, monkeypatch):
    monkeypatch.setattr(page, "AT_ONCE", 2)
    at = visit("journal").sound()
    assert not at.success
    press(at, "Check all 3").sound()
    assert at.success[0].value.startswith("Sound: 3 entries")


def test_typed_words_draw_nothing(visit, path):
    hostile = "![x](https://attack.example/x.png)"
    Journal(path).append(overruled(user=hostile, image_name=hostile, reason=hostile, set_name=hostile))
    at = visit("journal").sound()
    assert [who.replace("\u2060", "") for _, who, _ in cards(at)] == [hostile]
    kinds = (at.markdown, at.caption, at.info, at.success)
    assert not any("![x](" in e.value for kind in kinds for e in kind)


# Not sound


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE entries SET body = replace(body, '0.93', '0.13') WHERE number = 2", "Entry 2 was changed"),
        ("DELETE FROM entries WHERE number = 2", "Entry 2 is missing"),
        ("DELETE FROM entries WHERE number = 3", "The last entries were removed"),
        ("UPDATE entries SET body = 'null'", "Entry 1 was changed"),
        ("UPDATE entries SET body = replace(body, '0.93', '\"much\"')", "Entry 1 was changed"),
        ('UPDATE entries SET body = replace(body, \'"user":"Ada"\', \'"user":[1]\')', "Entry 1 was changed"),
        ('UPDATE entries SET body = replace(body, \'"number":1\', \'"number":"x"\')', "Entry 1 was changed"),
        ("UPDATE entries SET body = x'00ff'", "Entry 1 was changed"),
    ],
)
def test_a_tampered_journal_says_so(visit, path, kept, statement, said):
    tampered(path, statement)
    at = visit("journal")
    assert not at.exception
    assert any(said in text for text in problems(at))
    assert not any("went wrong" in text for text in problems(at))
    assert not any("Sound" in s.value for s in at.success)
    assert [t.value for t in at.title] == ["Journal"]


def test_an_emptied_journal_is_not_a_new_one(visit, path, kept):
    tampered(path, "DELETE FROM entries")
    at = visit("journal")
    assert not at.exception
    assert any("The last entries were removed" in text for text in problems(at))
    assert not at.info


def test_a_journal_without_its_table_is_one_sentence(visit, path, kept):
    tampered(path, "DROP TABLE entries")
    at = visit("journal")
    assert not at.exception
    assert len(at.error) == 1
    assert "journal.sqlite" in problems(at)[0]


@pytest.mark.parametrize("content", [None, b"Dear diary, " * 500], ids=["folder", "text"])
def test_what_is_no_journal_is_one_sentence_below_the_title(visit, path, content):
    path.mkdir() if content is None else path.write_bytes(content)
    at = visit("journal")
    assert not at.exception
    assert [t.value for t in at.title] == ["Journal"]
    (sentence,) = problems(at)
    assert str(path) in sentence
    assert sentence.endswith(".")


# Handed on


def test_the_files_hold_the_whole_journal(visit, kept, downloads):
    visit("journal").sound()
    assert [row["user"] for row in csv.DictReader(io.StringIO(downloads["journal.csv"]()))] == ["Ada", "Ben", "Cy"]
    assert downloads["journal.json"]() == to_json(kept.entries())
    assert len(json.loads(downloads["journal.json"]())["entries"]) == 3


def test_a_file_that_cannot_be_made_is_said_and_not_offered(visit, path, kept, downloads):
    tampered(path, "UPDATE entries SET body = 'null' WHERE number = 2")
    at = visit("journal")
    assert any("cannot be read" in text for text in problems(at))
    assert "journal.csv" not in downloads


@pytest.fixture
def three(monkeypatch):
    """Makes three images the chosen set; their files hold these bytes."""

    def chosen(*data):
        found = ImageSet(
            "Three *cells*", tuple(ImageItem(f"{i}.png", BytesSource(d), "defective") for i, d in enumerate(data))
        )
        monkeypatch.setattr(choice, "images", lambda model: found)
        return found

    return chosen


def test_overruled_labels_become_a_manifest(visit, path, downloads, three):
    found = three(b"one", b"two", b"three")
    Journal(path).append(overruled(image=found.items[1].id, image_name="1.png", to="functional"))
    at = visit("journal").sound()
    assert "manifest.csv" not in downloads
    press(at, "Make labels of Three *cells*").sound()
    rows = list(csv.DictReader(io.StringIO(downloads["manifest.csv"]())))
    assert [(row["image"], row["label"], row["overruled"]) for row in rows] == [
        ("0.png", "defective", "no"), ("1.png", "functional", "yes"), ("2.png", "defective", "no"),
    ]  # fmt: skip
    downloads.clear()
    Journal(path).append(overruled(image=found.items[0].id, image_name="0.png"))
    at.run().sound()
    assert "manifest.csv" not in downloads, "what was made is of a journal that has gone on since"


def test_an_image_that_cannot_be_read_is_named_where_labels_are_made(visit, path, downloads, three, monkeypatch):
    found = three(b"one", b"two")
    Journal(path).append(overruled(image=found.items[1].id, image_name="1.png"))
    at = visit("journal").sound()

    def gone(self):
        raise InputError("1.png cannot be read: put the file back.")

    monkeypatch.setattr(ImageItem, "id", property(gone))
    press(at, "Make labels")
    assert not at.exception
    assert problems(at) == ["1.png cannot be read: put the file back."]
    assert "manifest.csv" not in downloads


def test_notes_are_told_in_words_and_can_be_shown_alone(visit, kept):
    kept.append(
        Note(about="label", user="Dee", set_name="elpv", image=digest("x"), image_name="a.png", label="good",
             said="changed", to="bad", reason="A crack.")
    )  # fmt: skip
    kept.append(
        Note(about="pair", user="Dee", set_name="elpv", image=digest("x"), image_name="a.png", said="not the same",
             second=digest("y"), second_name="b.png")
    )  # fmt: skip
    at = visit("journal", entries="notes").sound("Journal")
    assert at.success[0].value.startswith("Sound: 5 entries, ")
    texts = [at.unescaped(m.value) for m in at.markdown]
    assert "The label of `a.png` was **changed** from **good** to **bad**. A crack." in texts
    assert "`a.png` and `b.png` are **not the same part**." in texts
    assert sum(text.startswith("**Entry ") for text in texts) == 2
