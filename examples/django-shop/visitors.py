"""Visitors of the shop: each reads pages, fetches what these ask for, and keeps a basket. Nothing is sent twice."""

from __future__ import annotations

import http.client
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

SITE = "shop.example"
ASSETS = "assets.shop.example"
PATIENCE = 30.0
_FILE = re.compile(r"""url\(["']?([^"')]+)""")
_LARGEST_BASKET = 20


@dataclass
class Books:
    """What became of every request; each is in one place."""

    pages: Counter[str] = field(default_factory=Counter)
    """Pages that came, by the release that served them."""
    assets: Counter[str] = field(default_factory=Counter)
    """Files that came, by the release of the page that asked for them."""
    failed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    baskets_lost: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def document(self) -> dict[str, object]:
        """The counts."""
        return {
            "pages": {"sent": sum(self.pages.values()) + len(self.failed), "failed": len(self.failed)}
            | {"by_release": dict(sorted(self.pages.items()))},
            "assets": {"asked": sum(self.assets.values()) + len(self.missing), "missing": len(self.missing)}
            | {"by_release": dict(sorted(self.assets.items()))},
            "baskets_lost": len(self.baskets_lost),
        }


@dataclass(frozen=True)
class Places:
    """Where requests go. The CDN of the lab keeps books but serves nothing: its origin, the bucket, is asked."""

    site: tuple[str, int]
    origin: tuple[str, int]
    bucket: str
    sign: Callable[[str], Mapping[str, str]]
    """The headers of a signed GET of a path at the origin, as CloudFront signs with origin access control."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    release: str
    cookies: dict[str, str]
    text: str


class _Page(HTMLParser):
    """What a page asks for, and what its form needs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.files: list[str] = []
        self.token = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag in {"script", "img"} and found.get("src"):
            self.files.append(found["src"])
        if tag == "link" and found.get("rel") == "stylesheet":
            self.files.append(found["href"])
        if found.get("name") == "csrfmiddlewaretoken":
            self.token = found["value"]


class Visitor(threading.Thread):
    """One browser with an empty cache, over and over until it is told to stop."""

    def __init__(self, number: int, places: Places, books: Books, end: threading.Event) -> None:
        super().__init__(name=f"visitor-{number}", daemon=True)
        self._places = places
        self._books = books
        self._end = end
        self._chance = random.Random(number)  # noqa: S311 - a repeatable walk, not a secret
        self._cookies: dict[str, str] = {}
        self._in_basket = 0
        self._opened: dict[str, list[str]] = {}
        """The files of the first page of each release: it stays open in a tab, and asks for them again."""
        self._connections: dict[tuple[str, int], http.client.HTTPConnection] = {}

    def run(self) -> None:
        while not self._end.is_set():
            index = self._page("/")
            if index is not None:
                self._check_basket(index.text)
                if self._chance.random() < 0.3:
                    self._buy(_Page(index.text).token)
            self._page(self._chance.choice(["/products/anvil/", "/products/kettle/", "/admin/login/"]))
            for release, files in self._opened.items():
                self._fetch(files, release)
            self._end.wait(0.1)

    def _page(self, path: str) -> Answer | None:
        """A page with all that it asks for; None when it failed."""
        answer = self._site("GET", path)
        if answer is not None:
            files = [urljoin(f"https://{SITE}{path}", name) for name in _Page(answer.text).files]
            self._opened.setdefault(answer.release, files)
            self._fetch(files, answer.release)
        return answer

    def _site(self, method: str, path: str, body: str = "") -> Answer | None:
        headers = {"Host": SITE, "Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        answer = self._ask(self._places.site, method, path, headers, body)
        came = answer if isinstance(answer, Answer) and answer.status in {200, 302} else None
        with self._books.lock:
            if came is not None:
                self._books.pages[came.release] += 1
            else:
                self._books.failed.append(f"{method} {path}: {answer}")
        if came is not None:
            self._cookies |= came.cookies
        return came

    def _fetch(self, files: list[str], release: str) -> None:
        """Files that a page of `release` asks for; style sheets ask for more."""
        for file in files:
            where = urlsplit(file)
            if where.hostname == ASSETS:
                path = f"/{self._places.bucket}{where.path}"
                answer = self._ask(self._places.origin, "GET", path, self._places.sign(path), "")
            else:
                answer = self._ask(self._places.site, "GET", where.path, {"Host": SITE}, "")
            came = answer if isinstance(answer, Answer) and answer.status == 200 else None
            with self._books.lock:
                if came is not None:
                    self._books.assets[release] += 1
                else:
                    self._books.missing.append(f"{file} of a page of release {release}: {answer}")
            if came is not None and where.path.endswith(".css"):
                self._fetch([urljoin(file, name) for name in _FILE.findall(came.text)], release)

    def _ask(
        self, place: tuple[str, int], method: str, path: str, headers: Mapping[str, str], body: str
    ) -> Answer | str:
        """One request on a kept connection; what went wrong as text."""
        connection = self._connections.setdefault(place, http.client.HTTPConnection(*place, timeout=PATIENCE))
        try:
            connection.request(method, path, body or None, headers)
            came = connection.getresponse()
            text = came.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as trouble:
            connection.close()
            return f"{type(trouble).__name__}: {trouble}"
        pairs = (line.partition(";")[0].partition("=") for line in came.headers.get_all("Set-Cookie") or ())
        cookies = {name.strip(): value for name, _, value in pairs}
        return Answer(came.status, came.headers.get("X-Release", "?"), cookies, text)

    def _buy(self, token: str) -> None:
        answer = self._site("POST", "/basket/", f"csrfmiddlewaretoken={token}&product=anvil")
        if answer is not None:
            self._in_basket = min(self._in_basket + 1, _LARGEST_BASKET)

    def _check_basket(self, text: str) -> None:
        found = re.search(r'id="basket">(\d+)<', text)
        if found is None or int(found[1]) != self._in_basket:
            with self._books.lock:
                self._books.baskets_lost.append(f"expected {self._in_basket}, found {found and found[1]}")
