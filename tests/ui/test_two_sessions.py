"""Two visitors who write into one journal: each sees at the next look what the other wrote, and nothing of the past."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest
from PIL import Image

from workbench.images import BytesSource, ImageItem, ImageSet
from workbench.journal import Journal, Note
from workbench.ui import logbook


@pytest.fixture(scope="module")
def images() -> ImageSet:
    items = []
    for number in range(4):
        buffer = io.BytesIO()
        Image.fromarray(np.full((8, 8, 3), 40 * number, np.uint8)).save(buffer, "PNG")
        items.append(ImageItem(f"{number}.png", BytesSource(buffer.getvalue()), "good"))
    return ImageSet("parts", tuple(items))


@pytest.fixture
def sessions(tmp_path, monkeypatch, empty_shelves):
    """Two journals on one file, as two sessions hold them, and a look through the eyes of either."""
    books = [Journal(tmp_path / "journal.sqlite") for _ in range(2)]

    def look(number: int, images: ImageSet):
        monkeypatch.setattr(logbook, "_chosen", lambda: books[number])
        return logbook.pairs_apart(images), {note.said for note in logbook.label_decisions().values()}

    return books, look


def pair(images: ImageSet, first: int, second: int, said: str = "not the same", user: str = "Ada") -> Note:
    one, other = images.items[first], images.items[second]
    return Note(about="pair", user=user, set_name="parts", image=one.id, image_name=one.name, label="good", said=said,
                second=other.id, second_name=other.name, second_label="good")  # fmt: skip


def label(images: ImageSet, number: int, said: str) -> Note:
    item = images.items[number]
    return Note(
        about="label", user="Bo", set_name="parts", image=item.id, image_name=item.name, label="good", said=said
    )


def test_each_session_sees_what_the_other_wrote(images, sessions) -> None:
    books, look = sessions
    assert look(0, images) == look(1, images) == ((), set())
    books[0].append(pair(images, 0, 1))
    expected = tuple(sorted((images.items[0].id, images.items[1].id)))
    assert look(1, images)[0] == look(0, images)[0] == (expected,)
    books[1].append(label(images, 2, "doubtful"))
    assert look(0, images) == look(1, images) == ((expected,), {"doubtful"})
    books[1].append(pair(images, 1, 0, "withdrawn", "Bo"))  # named the other way round
    books[0].append(label(images, 2, "withdrawn"))
    assert look(0, images) == look(1, images) == ((), set())
    books[0].append(pair(images, 0, 1))
    assert look(1, images)[0] == (expected,)  # not what was kept of the first time: other notes may have come between


def test_an_entry_between_the_head_and_the_reading_is_not_lost(images, sessions, monkeypatch) -> None:
    books, look = sessions
    books[0].append(pair(images, 0, 1))
    plain = Journal.pairs_apart

    def late(self: Journal):
        monkeypatch.setattr(Journal, "pairs_apart", plain)
        result = plain(self)
        books[1].append(pair(images, 2, 3, user="Bo"))  # after the head and the notes were read
        return result

    monkeypatch.setattr(Journal, "pairs_apart", late)
    assert len(look(0, images)[0]) == 1
    assert len(look(0, images)[0]) == len(look(1, images)[0]) == 2


def test_two_sessions_that_write_at_once_make_one_sound_chain(images, sessions) -> None:
    books, look = sessions

    def write(number: int) -> None:
        for said in ("not the same", "withdrawn") * 4:
            books[number].append(pair(images, 2 * number, 2 * number + 1, said))
        books[number].append(pair(images, 2 * number, 2 * number + 1))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (books[0].verify().problems, books[0].verify().count) == ((), 18)
    assert books[0].head() == books[1].head()
    assert len(look(0, images)[0]) == len(look(1, images)[0]) == 2
