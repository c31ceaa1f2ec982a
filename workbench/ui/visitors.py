"""What visitors uploaded: in the server's memory, one shelf a browser, by a cookie that only this browser holds.

A cookie is worth something only where this process gave it out and it has not run out: any other is ignored, and the
browser gets a new one. It is given with an answer to the page's own request, never with the page: a browser that
follows a link from another site withholds a `SameSite=Strict` cookie there, which must not be taken for none.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from weakref import WeakSet

from workbench.errors import InputError

MINUTES_VARIABLE = "WORKBENCH_UPLOADS_MINUTES"
MINUTES, SWEEP = 60.0, 30.0
"""How long uploads are kept once the last page of their browser is closed, and how often that is looked at (s)."""
OF_ALL, MOST_THINGS, MOST_VISITORS = 8 * 2**30, 1000, 10_000
"""Bytes that the uploads of all visitors may take together, uploads of one visitor, and visitors."""
COOKIE = "workbench_visitor_"
"""How the cookie's name begins; a port follows, for a browser sends the cookies of one server to all of its host."""
LOGINS = ("authorization", "remote-user", "x-remote-user", "x-forwarded-user", "x-forwarded-email",
          "x-forwarded-preferred-username", "x-auth-request-user", "x-auth-request-email",
          "x-authenticated-user", "cf-access-authenticated-user-email", "tailscale-user-login")  # fmt: skip
"""Headers in which a proxy says who signed in."""
LATE = "{:g} minutes had passed since your last page was closed"
CROWDED = "the uploads of others needed the room while no page of yours was open"
FORGOTTEN = "“Forget my uploads” was pressed"


class Uploads:
    """What one visitor uploaded, by kind and name. All pages of a browser share it; it is changed under one lock.

    Attributes:
        login: Who had signed in with a proxy when it was made.
        why: Why what lay here was forgotten; empty where nothing was.
        ended: Whether it was taken away: nothing may be put on it any more.
    """

    def __init__(self, login: str = "", why: str = "") -> None:
        self.login, self.why, self.ended = login, why, False
        self.sessions: set[str] = set()
        self.seen = time.monotonic()
        self.things: dict[str, dict[str, Any]] = {}
        self.sizes: dict[tuple[str, str], int] = {}

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(self.sizes.values())

    def empty(self, why: str) -> None:
        """Forget all that lies here."""
        if self.sizes:
            self.why = why
        self.things, self.sizes = {}, {}


class Visitors:
    """The shelves of all visitors.

    Args:
        is_active: Whether a session's page is open.
        minutes: How long a shelf stays after that.
    """

    def __init__(self, is_active: Callable[[str], bool], minutes: Callable[[], float]) -> None:
        self._is_active, self._minutes = is_active, minutes
        self._lock = threading.RLock()
        self._shelves: dict[str, Uploads] = {}
        self._passing: WeakSet[Uploads] = WeakSet()
        self._sweeper: threading.Thread | None = None

    def greet(self, cookies: Iterable[str], login: str) -> str | None:
        """The cookie to give to a browser that sends these; None where one of them is good."""
        with self._lock:
            self.sweep()
            tokens = list(cookies)
            if self._known(tokens, login) is not None:
                return None
            why = self._why(tokens)
            for token in tokens:
                if token in self._shelves and self._shelves[token].ended:
                    del self._shelves[token]
            self._make_room()
            token = secrets.token_urlsafe(32)
            self._shelves[token] = Uploads(login, why)
            return token

    def shelf(self, cookies: Iterable[str], login: str) -> Uploads:
        """The shelf of a browser that sends these cookies; one for a single session where none of them is good."""
        with self._lock:
            tokens = list(cookies)
            if (shelf := self._known(tokens, login)) is None:
                self._passing.add(shelf := Uploads(login, self._why(tokens)))
            return shelf

    def touch(self, shelf: Uploads, session: str) -> None:
        """Note that a session of this shelf speaks."""
        with self._lock:
            shelf.sessions.add(session)
            shelf.seen = time.monotonic()

    def own(self, shelf: Uploads, kind: str) -> dict[str, Any]:
        """What lies on a shelf, by name, as it is now."""
        with self._lock:
            return dict(shelf.things.get(kind, {}))

    def keep(self, shelf: Uploads, kind: str, name: str, value: Any, size: int, most: int) -> None:
        """Put something on a shelf, in place of what has its kind and name.

        Args:
            shelf: A visitor's.
            kind: "models" have a bound of their own; everything else shares one.
            name: Of the thing.
            value: The thing.
            size: In bytes.
            most: Bytes that the bound allows.

        Raises:
            InputError: This visitor's uploads would take too much memory, or those of all visitors would.
        """
        with self._lock:
            if shelf.ended:
                raise InputError(f"{name} cannot be kept, for this page was left for too long: reload it.")
            models, key = kind == "models", (kind, name)
            others = sum(n for k, n in shelf.sizes.items() if k != key and (k[0] == "models") == models)
            if others + size > most:
                raise InputError(
                    f"{name} takes {size / 2**20:,.0f} MB, and {others / 2**20:,.0f} of the {most / 2**20:,.0f} MB for"
                    " your uploads are used: press “Forget my uploads” under “Bring your own”, or upload less."
                )
            if len(shelf.sizes) >= MOST_THINGS and key not in shelf.sizes:
                raise InputError(
                    f"{name} would be more than {MOST_THINGS:,} uploads: press “Forget my uploads” under “Bring your"
                    " own”, or upload images as one zip."
                )
            self._free(size - shelf.sizes.get(key, 0), shelf, name)
            shelf.sizes[key] = size
            shelf.things.setdefault(kind, {})[name] = value
            self._begin_to_sweep()

    def drop(self, shelf: Uploads, kind: str, name: str) -> None:
        """Take one thing from a shelf."""
        with self._lock:
            shelf.things.get(kind, {}).pop(name, None)
            shelf.sizes.pop((kind, name), None)

    def forget(self, shelf: Uploads) -> None:
        """Take everything from a shelf, at once and for all pages of its browser."""
        with self._lock:
            shelf.empty(FORGOTTEN)

    def sweep(self) -> bool:
        """Forget what was left for too long; gives whether anything is still kept."""
        with self._lock:
            now, most = time.monotonic(), self._minutes()
            for token, shelf in list(self._shelves.items()):
                if self._has_page(shelf):
                    shelf.seen = now
                elif not shelf.ended and now - shelf.seen >= 60 * most:
                    if shelf.sizes:
                        self._end(shelf, LATE.format(most))
                    elif not shelf.why:
                        del self._shelves[token]
            return any(shelf.sizes for shelf in self._shelves.values())

    def _known(self, cookies: Iterable[str], login: str) -> Uploads | None:
        shelves = (self._shelves.get(token) for token in cookies)
        return next((s for s in shelves if s is not None and not s.ended and s.login == login), None)

    def _why(self, cookies: Iterable[str]) -> str:
        """Why what lay on the shelf of one of these cookies was forgotten."""
        return next((self._shelves[token].why for token in cookies if token in self._shelves), "")

    def _has_page(self, shelf: Uploads) -> bool:
        shelf.sessions = {session for session in shelf.sessions if self._is_active(session)}
        return bool(shelf.sessions)

    def _end(self, shelf: Uploads, why: str) -> None:
        shelf.empty(why)
        shelf.ended = True

    def _idle(self) -> list[tuple[str, Uploads]]:
        """Shelves of visitors without an open page, the one that was left first at the front."""
        idle = [(token, shelf) for token, shelf in self._shelves.items() if not self._has_page(shelf)]
        return sorted(idle, key=lambda pair: pair[1].seen)

    def _free(self, size: int, own: Uploads, name: str) -> None:
        """Make room among the uploads of all; whoever left first is forgotten first, and nobody who is here."""
        total = sum(shelf.size for shelf in (*self._shelves.values(), *self._passing))
        if total + size <= OF_ALL:
            return
        for _, shelf in self._idle():
            if shelf is not own and shelf.sizes:
                total -= shelf.size
                self._end(shelf, CROWDED)
                if total + size <= OF_ALL:
                    return
        raise InputError(
            f"{name} does not fit: the uploads of all visitors who are here take {total / 2**30:,.1f} of the"
            f" {OF_ALL / 2**30:,.0f} GB for them. Try again later, or upload less."
        )

    def _make_room(self) -> None:
        """For one more visitor: those who keep nothing go first."""
        if len(self._shelves) >= MOST_VISITORS:
            idle = sorted(self._idle(), key=lambda pair: bool(pair[1].sizes))
            for token, shelf in idle[: MOST_VISITORS // 10]:
                self._end(shelf, CROWDED)
                del self._shelves[token]

    def _begin_to_sweep(self) -> None:
        if self._sweeper is None or not self._sweeper.is_alive():
            self._sweeper = threading.Thread(target=self._keep_sweeping, name="sweep uploads", daemon=True)
            self._sweeper.start()

    def _keep_sweeping(self) -> None:
        while True:
            time.sleep(SWEEP)
            with self._lock:
                if not self.sweep():
                    self._sweeper = None
                    return


def minutes() -> float:
    """How long uploads are kept after the last page of their browser was closed.

    Raises:
        InputError: The environment variable for it is no number of minutes.
    """
    text = os.environ.get(MINUTES_VARIABLE, "").strip()
    try:
        number = float(text) if text else MINUTES
    except ValueError:
        number = -1.0
    if not 0 <= number <= 10_000:
        raise InputError(f"{MINUTES_VARIABLE} is {text!r}: write the minutes that uploads are kept for, as in 60.")
    return number


def tokens_of(cookies: Mapping[str, str]) -> list[str]:
    """The values of all cookies that may be a visitor's."""
    return [value for name, value in cookies.items() if name.startswith(COOKIE)]


def login_of(headers: Iterable[tuple[str, str]]) -> str:
    """A digest of who signed in with a proxy, by the headers of a request; empty where nobody did.

    Of `Authorization` only a name and password count: other schemes change their word from request to request.
    """
    said = sorted((name.lower(), value) for name, value in headers if name.lower() in LOGINS)
    said = [pair for pair in said if pair[0] != "authorization" or pair[1].lower().startswith("basic ")]
    return hashlib.sha256(repr(said).encode()).hexdigest() if said else ""


def set_cookie(token: str, *, port: int, path: str, secure: bool) -> str:
    """A `Set-Cookie` header: until the browser is closed, out of reach of scripts, and never sent for another site."""
    return f"{COOKIE}{port}={token}; Path={path or '/'}; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")


def _is_active(session: str) -> bool:
    from streamlit import runtime

    return runtime.exists() and runtime.get_instance().is_active_session(session)


VISITORS = Visitors(_is_active, minutes)
