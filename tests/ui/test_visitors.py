"""The shelves of visitors, and the cookie that leads to them: what a thief, a forger or a crowd may not do."""

import http.client
import re
import threading
from itertools import count

import pytest
from visiting import launched

from workbench.errors import InputError
from workbench.ui import visitors
from workbench.ui.visitors import Visitors, login_of, set_cookie, tokens_of

GB = 2**30


class Clock:
    """Seconds that a test lets pass, and sessions whose pages are open."""

    def __init__(self):
        self.now, self.open = 1000.0, set()

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        threading.Event().wait(60)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(visitors, "time", clock)
    return clock


@pytest.fixture
def store(clock):
    return Visitors(clock.open.__contains__, lambda: 60.0)


@pytest.fixture
def arrive(store, clock):
    """A browser: its cookie, and its shelf once a page of it is open."""
    numbers = count()

    def arrive():
        token, session = store.greet([], ""), f"session {next(numbers)}"
        shelf = store.shelf([token], "")
        clock.open.add(session)
        store.touch(shelf, session)
        return token, shelf, session

    return arrive


def put(store, shelf, name, size=1, kind="sets"):
    store.keep(shelf, kind, name, name, size, 9 * GB)


def test_pages_of_one_browser_share_and_others_see_nothing(store, arrive):
    token, shelf, _ = arrive()
    put(store, shelf, "a.zip")
    assert store.shelf([token], "") is shelf
    other, theirs, _ = arrive()
    assert other != token
    assert store.own(theirs, "sets") == {}
    assert store.own(store.shelf([], ""), "sets") == {}


def test_a_cookie_that_was_never_given_is_never_adopted(store):
    planted = "A" * 43
    given = store.greet([planted], "")
    assert given not in (None, planted)
    assert len(given) == 43
    first, second = store.shelf([planted], ""), store.shelf([planted], "")
    put(store, first, "a.zip")
    assert store.own(second, "sets") == {}
    assert store.greet([planted], "") not in (planted, given)


def test_a_known_cookie_is_left_as_it_is_beside_strange_ones(store):
    token = store.greet([], "")
    assert store.greet(["strange", token], "") is None


def test_uploads_stay_while_a_page_is_open_and_an_hour_after(store, clock, arrive):
    token, shelf, _ = arrive()
    put(store, shelf, "a.zip")
    clock.now += 10 * 3600
    assert store.sweep()
    clock.open.clear()
    clock.now += 3599
    assert store.sweep()
    assert store.greet([token], "") is None
    clock.now += 1
    assert not store.sweep()
    assert store.own(shelf, "sets") == {}
    assert shelf.ended
    with pytest.raises(InputError, match="reload it"):
        put(store, shelf, "b.zip")
    after = store.greet([token], "")
    assert after not in (None, token)
    fresh = store.shelf([after], "")
    assert fresh.why == "60 minutes had passed since your last page was closed"
    put(store, fresh, "b.zip")
    assert store.own(store.shelf([token], ""), "sets") == {}, "the old cookie, stolen, opens nothing"


def test_the_crowd_takes_the_room_of_who_left_first_and_of_nobody_who_is_here(store, clock, arrive, monkeypatch):
    monkeypatch.setattr(visitors, "OF_ALL", 10)
    shelves = []
    for _ in range(3):
        token, shelf, session = arrive()
        put(store, shelf, "a.zip", 3)
        shelves.append((token, shelf, session))
        clock.now += 60
    clock.open -= {shelves[0][2], shelves[2][2]}
    _, mine, _ = arrive()
    put(store, mine, "b.zip", 4)
    assert [bool(shelf.sizes) for _, shelf, _ in shelves] == [False, True, True]
    assert "needed the room" in store.shelf([store.greet([shelves[0][0]], "")], "").why
    put(store, mine, "c.zip", 3)
    assert [bool(shelf.sizes) for _, shelf, _ in shelves] == [False, True, False]
    with pytest.raises(InputError, match="of all visitors who are here"):
        put(store, mine, "d.zip", 1)
    put(store, mine, "b.zip", 4)
    assert sorted(store.own(mine, "sets")) == ["b.zip", "c.zip"]


def test_a_visitor_without_cookies_counts_too(store, clock, monkeypatch):
    monkeypatch.setattr(visitors, "OF_ALL", 10)
    passing = store.shelf([], "")
    put(store, passing, "a.zip", 8)
    with pytest.raises(InputError, match="does not fit"):
        put(store, store.shelf([], ""), "b.zip", 3)


def test_number_and_bytes_of_one_visitor_are_bounded(store, arrive, monkeypatch):
    monkeypatch.setattr(visitors, "MOST_THINGS", 3)
    _, shelf, _ = arrive()
    for number in range(3):
        put(store, shelf, f"{number}.png", kind="images")
    put(store, shelf, "2.png", kind="images")
    with pytest.raises(InputError, match="more than 3 uploads"):
        put(store, shelf, "3.png", kind="images")
    with pytest.raises(InputError, match="press “Forget my uploads”"):
        store.keep(shelf, "images", "2.png", "x", 10, 9)
    store.drop(shelf, "images", "2.png")
    put(store, shelf, "3.png", kind="images")


def test_many_who_never_come_back_do_not_fill_the_memory(store, clock, arrive, monkeypatch):
    monkeypatch.setattr(visitors, "MOST_VISITORS", 50)
    token, shelf, _ = arrive()
    put(store, shelf, "a.zip")
    clock.open.clear()
    for _ in range(500):
        store.greet([], "")
    assert len(store._shelves) <= 50
    assert store.own(store.shelf([token], ""), "sets") == {"a.zip": "a.zip"}


def test_forgetting_is_at_once_and_for_all_pages(store, arrive):
    token, shelf, _ = arrive()
    put(store, shelf, "a.zip")
    store.forget(shelf)
    again = store.shelf([token], "")
    assert store.own(again, "sets") == {}
    assert again.size == 0
    assert again.why == "“Forget my uploads” was pressed"


def test_another_login_in_the_same_browser_sees_another_shelf(store):
    anna = login_of([("X-Forwarded-User", "anna"), ("Authorization", "Bearer 1")])
    ben = login_of([("x-forwarded-user", "ben"), ("Authorization", "Bearer 1")])
    assert anna == login_of([("Authorization", "Bearer 2"), ("x-forwarded-user", "anna")])
    assert login_of([("Accept", "*/*")]) == ""
    assert login_of([("Authorization", "Basic YTpi")]) != login_of([("Authorization", "Basic YTpj")])
    token = store.greet([], anna)
    put(store, store.shelf([token], anna), "a.zip")
    for other in (ben, ""):
        assert store.own(store.shelf([token], other), "sets") == {}
        assert store.greet([token], other) not in (None, token)
    assert store.own(store.shelf([token], anna), "sets") == {"a.zip": "a.zip"}


def test_two_tabs_put_at_the_same_time_and_nothing_is_lost(store, arrive):
    token, shelf, _ = arrive()

    def tab(name):
        for number in range(100):
            put(store, store.shelf([token], ""), f"{name} {number}", kind="images")
            list(store.own(shelf, "images").values())

    threads = [threading.Thread(target=tab, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(store.own(shelf, "images")), shelf.size) == (200, 200)


def test_the_lifetime_is_an_environment_variable(monkeypatch):
    assert visitors.minutes() == 60
    monkeypatch.setenv("WORKBENCH_UPLOADS_MINUTES", "2.5")
    assert visitors.minutes() == 2.5
    for text in ("soon", "-1", "nan", "inf"):
        monkeypatch.setenv("WORKBENCH_UPLOADS_MINUTES", text)
        with pytest.raises(InputError, match="WORKBENCH_UPLOADS_MINUTES is"):
            visitors.minutes()


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites():
    words = set_cookie("t", port=8501, path="/inspect", secure=True).split("; ")
    assert words == ["workbench_visitor_8501=t", "Path=/inspect", "HttpOnly", "SameSite=Strict", "Secure"]
    assert tokens_of({"workbench_visitor_8501": "t", "_ga": "x", "workbench_visitor_1": "u"}) == ["t", "u"]


def test_a_server_gives_the_cookie_to_a_page_that_asks_and_not_with_the_page(tmp_path):
    """A link from another site comes without a Strict cookie: answered with a new one, the visitor's would be lost."""
    with launched(tmp_path) as (port, _):

        def get(path, **headers):
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            line.request("GET", path, headers={"Accept": "text/html"} | headers)
            answer = line.getresponse()
            answer.read()
            given = [c for c in answer.msg.get_all("Set-Cookie") or () if "workbench_visitor" in c]
            return answer.status, given

        assert get("/") == (200, [])
        status, (cookie,) = get("/_stcore/health")
        assert status == 200
        pair = re.fullmatch(rf"(workbench_visitor_{port}=[\w-]{{43}}); Path=/; HttpOnly; SameSite=Strict", cookie)[1]
        assert get("/_stcore/health", Cookie=f"_xsrf=2|a|b|1; {pair}") == (200, [])
        _, (other,) = get("/_stcore/health", Cookie=f"workbench_visitor_{port}={'A' * 43}")
        assert "AAAA" not in other
        _, (cookie,) = get("/_stcore/health", **{"X-Forwarded-Proto": "https"})
        assert cookie.endswith("; Secure")
        assert get("/_stcore/health", Origin="http://evil.example") == (403, [])
