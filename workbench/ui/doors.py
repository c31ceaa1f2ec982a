"""Who may speak to the server and what its pages may load: the layer before Streamlit, which every request passes
first.

A page of another site that a visitor has open can reach a server on the visitor's own machine, under a name that it
makes point there (DNS rebinding) or straight. So a request is answered only where its `Host` is a name that the server
was started for, and its `Origin`, where it has one, is a page of this very server.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit

from workbench.errors import InputError
from workbench.ui.visitors import VISITORS, Visitors, login_of, set_cookie, tokens_of

HOSTS_VARIABLE = "WORKBENCH_HOSTS"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
EVERYWHERE = frozenset({"", "0.0.0.0", "::"})
UPLOADS, HEALTH = "/_stcore/upload_file/", "/_stcore/health"
"""Where files arrive, and what a page asks for before it opens its WebSocket."""
REFUSED, TOO_LARGE = 403, 413
POLICY_VIOLATION = 1008
STRANGE = (
    "This server answers its own pages only, under the names it was started for: workbench run --allow-host NAME adds"
    " one."
)
_PLACE = re.compile(r"(\[[0-9a-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?", re.ASCII | re.IGNORECASE)
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Place = tuple[str, int | None]
Held = Callable[[], Mapping[str, Sequence[int]]]


def place(text: str) -> Place | None:
    """The lower-case name or address, and the port if any, of a `Host` or of what follows an origin's `//`."""
    match = _PLACE.fullmatch(text)
    return (_name(match[1].strip("[]")), int(match[2]) if match[2] else None) if match else None


def _name(text: str) -> str:
    """A name or an address in the one way to write it."""
    try:
        address = ip_address(text)
    except ValueError:
        return text.lower().rstrip(".")
    return str((isinstance(address, IPv6Address) and address.ipv4_mapped) or address)


@dataclass(frozen=True)
class Guests:
    """Whom the server answers.

    Attributes:
        address: Where it listens; empty for everywhere.
        others: Names that people reach it by besides, such as that of a proxy before it; without a port, at any one.
    """

    address: str
    others: frozenset[Place] = frozenset()

    @property
    def local(self) -> bool:
        """Whether only people at this machine can reach it: it listens to them alone, and no proxy forwards others."""
        return self.address in LOOPBACK and not self.others

    def knows(self, host: Place, at: str | None) -> bool:
        """Whether `host` is a name of this server; `at` is the machine's own address that the request arrived at."""
        names = set(LOOPBACK)
        if self.address not in LOOPBACK:
            own = socket.gethostname().lower()
            names |= {
                own,
                own.split(".")[0],
                f"{own.split('.')[0]}.local",
                _name(at or self.address),
                _name(self.address),
            } - EVERYWHERE
        elif at is not None and _name(at) not in LOOPBACK:  # it listens elsewhere than it was told to
            return False
        return host[0] in names or any(host[0] == name for name, _ in self.others)

    def trusts(self, origin: str, host: Place) -> bool:
        """Whether `origin` is a page of this server: at the very place of `host`, or at one of the other names."""
        parts = urlsplit(origin)
        source, default = place(parts.netloc), {"http": 80, "https": 443}.get(parts.scheme)
        if source is None or default is None:
            return False
        name, port = source[0], source[1] or default
        return any(name == own and port == (at or default) for own, at in (host, *self.others))


def shown(address: str | None, port: int) -> str:
    """The address to type into a browser at this machine."""
    host = "localhost" if (address or "") in EVERYWHERE else address or ""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def expected(address: str | None) -> Guests:
    """Whom a server that listens at `address` (None: everywhere) answers, with the names that WORKBENCH_HOSTS lists.

    Raises:
        InputError: One of them is not a name.
    """
    words = os.environ.get(HOSTS_VARIABLE, "").replace(",", " ").split()
    others = {word: place(word) for word in words}
    if wrong := [word for word, guest in others.items() if guest is None]:
        raise InputError(
            f"{wrong[0]!r} (of --allow-host or {HOSTS_VARIABLE}) is not a name: write it as in inspection.example.com."
        )
    return Guests(address or "", frozenset(guest for guest in others.values() if guest))


@dataclass(frozen=True)
class Limits:
    """What the upload endpoint may hold for one visitor, in bytes and in files, and for all of them, in bytes."""

    bytes: int
    files: int
    bytes_of_all: int


def security_headers(host: str, scripts: Iterable[str] = ()) -> dict[str, str]:
    """Headers by which a browser loads nothing from elsewhere and shows the app in no other site's frame.

    Args:
        host: As in the request, for browsers to which `'self'` does not mean this server's WebSocket.
        scripts: The text of scripts that stand in the page itself.
    """
    sources = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts
    )
    policy = {
        "default-src": "'self'",
        "script-src": f"'self' blob: {sources}",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "media-src": "'self' data: blob:",
        "worker-src": "'self' blob:",
        "connect-src": f"'self' ws://{host} wss://{host} data: blob:",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'self'",
    }
    return {
        "content-security-policy": "; ".join(f"{name} {value.strip()}" for name, value in policy.items()),
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "same-origin",
        "x-content-type-options": "nosniff",
    }


def scripts_of(page: str) -> list[str]:
    """The scripts that stand in a page of HTML itself."""
    return _SCRIPT.findall(page)


class Doors:
    """An ASGI layer that refuses whom the server does not know, and says to the browser what a page may load.

    Args:
        app: What answers the others.
        guests: Whom the server answers.
        scripts: The text of scripts that stand in the app's page itself.
        limits: On what the upload endpoint holds.
        held: The sizes in bytes of the files that it holds, by session.
        visitors: Who gets a cookie.
    """

    def __init__(
        self,
        app: App,
        guests: Guests,
        scripts: Iterable[str],
        limits: Limits,
        held: Held,
        visitors: Visitors = VISITORS,
    ) -> None:
        self._app, self._guests, self._scripts, self._limits, self._held = app, guests, tuple(scripts), limits, held
        self._visitors = visitors
        self._arriving: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, refuse or forward."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        host = self._admitted(scope)
        if host is None:
            return await _refuse(scope, send, REFUSED, STRANGE)
        headers = [(name.encode(), value.encode()) for name, value in security_headers(host, self._scripts).items()]
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"].endswith(HEALTH):
            headers += self._greeting(scope)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        if scope["type"] == "http" and scope["method"] == "PUT" and UPLOADS in scope["path"]:
            return await self._upload(scope, receive, answer)
        return await self._app(scope, receive, answer)

    def _admitted(self, scope: Scope) -> str | None:
        """The `Host` of a request that may pass; None for any other.

        Streamlit is told the name that the visitor's browser knows, also where a proxy wrote another one over it: then
        it need not find out its own addresses to compare.
        """
        hosts, origins = _values(scope, b"host"), _values(scope, b"origin")
        host = place(hosts[0]) if len(hosts) == 1 else None
        at = scope["server"][0] if scope.get("server") else None
        if host is None or len(origins) > 1 or not self._guests.knows(host, at) or _is_embedded(scope):
            return None
        if not origins:
            return hosts[0]
        if not self._guests.trusts(origins[0], host):
            return None
        own = urlsplit(origins[0]).netloc
        scope["headers"] = [(name, own.encode() if name == b"host" else value) for name, value in scope["headers"]]
        return own

    def _greeting(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        """The header that gives a visitor's browser its cookie, where it has none that is good."""
        cookies = [pair.strip().partition("=") for text in _values(scope, b"cookie") for pair in text.split(";")]
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        token = self._visitors.greet(
            (token for name, _, value in cookies for token in tokens_of({name: value})), login_of(headers)
        )
        if token is None:
            return []
        secure = scope.get("scheme") == "https" or _values(scope, b"x-forwarded-proto")[:1] == ["https"]
        port = scope["server"][1] if scope.get("server") else 0
        cookie = set_cookie(token, port=port or 0, path=scope["path"].removesuffix(HEALTH), secure=secure)
        return [(b"set-cookie", cookie.encode())]

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward an upload, as long as its session's uploads and everybody's stay under the limits."""
        session, arrived = scope["path"].split(UPLOADS)[-1].split("/")[0], 0

        async def counted() -> Message:
            nonlocal arrived
            message = await receive()
            arrived += len(message.get("body", b""))
            self._arriving[session] += len(message.get("body", b""))
            if self._is_full(session):
                raise _FullError
            return message

        try:
            await self._app(scope, counted, send)
        except _FullError:
            await _refuse(scope, send, TOO_LARGE, "Your uploads together are too large: remove some of them first.")
        finally:
            self._arriving[session] -= arrived
            self._arriving += Counter()  # drops what is no longer arriving

    def _is_full(self, session: str) -> bool:
        sizes, most = self._held(), self._limits
        files = sizes.get(session, ())
        return (
            sum(files) + self._arriving[session] > most.bytes
            or len(files) >= most.files
            or sum(map(sum, sizes.values())) + self._arriving.total() > most.bytes_of_all
        )


class _FullError(Exception):
    """No more may be uploaded."""


def _is_embedded(scope: Scope) -> bool:
    """Whether the browser says that a page of another site requests this itself, rather than linking here."""
    elsewhere = set(_values(scope, b"sec-fetch-site")) & {"cross-site", "same-site"}
    return scope["type"] == "http" and bool(elsewhere) and _values(scope, b"sec-fetch-mode") != ["navigate"]


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


async def _refuse(scope: Scope, send: Send, status: int, why: str) -> None:
    """End a request, or a WebSocket before it opens (its client sees 403)."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        return
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(why)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": why.encode()})
