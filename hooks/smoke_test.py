"""`smoke_test` and `warm_up`: requests to a new instance, and through the balancer, before it is believed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias

from deployer.hooks.contract import HookCall, HookOutcome, Place, error, failed, passed
from deployer.hooks.doors import Doors
from deployer.hooks.web import NoAnswer, Reply, Request, check_url, send
from deployer.model.occasions import Point
from deployer.model.plugin_fields import Between, Seconds

Port: TypeAlias = Annotated[int, Between(0, 65535)]
"""0 is the application's own."""

_ALL_NEW = (Point.FINAL_SOAK, Point.AFTER_SUCCESS)
"""Points at which nothing but the new release may answer through the balancer."""


@dataclass(frozen=True)
class SmokeTest:
    """Asks each of `paths` on the instance, and through the balancer where `balancer` is its address.

    An answer is good when its status is `status`, its body holds the regular expression `body`, its header
    `release_header` names the new release (through the balancer: either release, until the whole fleet is new)
    and it came within `latency` seconds. Left out, `X-Release` must be right where it is sent. One that is not good
    fails; none at all is an error. A request gets `attempts` tries, a second apart. `headers` go with each; an
    application that serves several sites needs `Host`.
    """

    paths: tuple[str, ...] = ("/",)
    status: Annotated[int, Between(100, 599)] = 200
    body: str = ""
    release_header: str | None = None
    latency: Seconds = 5.0
    balancer: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    port: Port = 0
    attempts: Annotated[int, Between(1)] = 1

    def __post_init__(self) -> None:
        try:
            re.compile(self.body)
        except re.error as problem:
            raise ValueError(f"body is {self.body!r}, which is not a regular expression: {problem}") from problem
        if self.balancer:
            check_url(self.balancer)
        if bad := [path for path in self.paths if not path.startswith("/")]:
            raise ValueError(f"paths has {bad[0]!r}; a path begins with /")

    def run(self, call: HookCall, doors: Doors) -> HookOutcome:
        """See `Hook`."""
        asked = 0
        for url, releases in self._questions(call):
            outcome = self._try(url, releases, call, doors)
            if outcome is not None:
                return outcome
            asked += 1
        if not asked:
            return error("there is nothing to ask: no instance at this point, and no balancer in the settings")
        return passed(f"{asked} answers as expected")

    def _questions(self, call: HookCall) -> Iterator[tuple[str, frozenset[str]]]:
        """Addresses, and the releases that may answer there."""
        new = frozenset({call.release_to})
        mixed = new if call.point in _ALL_NEW else new | {call.release_from}
        for path in self.paths:
            if call.instance is not None:
                yield base_of(call.instance, self.port) + path, new
            if self.balancer:
                yield self.balancer.rstrip("/") + path, mixed

    def _try(self, url: str, releases: frozenset[str], call: HookCall, doors: Doors) -> HookOutcome | None:
        outcome: HookOutcome | None = None
        for attempt in range(self.attempts):
            if attempt:
                doors.sleep(1.0)
            try:
                reply = send(self._request(url, call), doors.now)
            except NoAnswer as problem:
                outcome = error(str(problem))
                continue
            complaint = self._complaint(reply, releases)
            if complaint is None:
                return None
            outcome = failed(f"{url} {complaint}")
        return outcome

    def _request(self, url: str, call: HookCall) -> Request:
        return Request(url, headers=self.headers, deadline=min(max(self.latency * 4, 1.0), call.deadline))

    def _complaint(self, reply: Reply, releases: frozenset[str]) -> str | None:
        if reply.status != self.status:
            return f"answered {reply.status}, expected {self.status}"
        if self.body and not re.search(self.body, reply.text()):
            return f"answered a body without {self.body!r}"
        header = "X-Release" if self.release_header is None else self.release_header
        found = reply.header(header) if header else None
        if found not in releases and (self.release_header or found is not None):
            return f"answered as release {found}, expected {' or '.join(sorted(releases))}"
        if reply.seconds > self.latency:
            return f"took {reply.seconds:.2f} s, more than {self.latency:g} s"
        return None


@dataclass(frozen=True)
class WarmUp:
    """Asks each of `paths` on a new instance `rounds` times, so that its caches are warm before clients come.

    With `latency`, the last round's slowest answer must have come within that many seconds. Answers of 500 and
    above fail; none at all is an error. `headers` go with each request.
    """

    paths: tuple[str, ...] = ("/",)
    rounds: Annotated[int, Between(1)] = 5
    latency: Seconds = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)
    port: Port = 0

    def run(self, call: HookCall, doors: Doors) -> HookOutcome:
        """See `Hook`."""
        if call.instance is None:
            return error("warm_up needs an instance; use it at before-attach")
        slowest = 0.0
        for _ in range(max(self.rounds, 1)):
            slowest = 0.0
            for path in self.paths:
                url = base_of(call.instance, self.port) + path
                try:
                    reply = send(Request(url, headers=self.headers, deadline=call.deadline), doors.now)
                except NoAnswer as problem:
                    return error(str(problem))
                if reply.status >= 500:
                    return failed(f"{url} answered {reply.status}")
                slowest = max(slowest, reply.seconds)
        if self.latency and slowest > self.latency:
            return failed(
                f"is still slow after {self.rounds} rounds: {slowest:.2f} s, more than {self.latency:g} s"
            )
        return passed(f"slowest answer in the last round: {slowest:.3f} s")


def base_of(place: Place, port: int) -> str:
    """The address of the application on an instance."""
    host = f"[{place.address}]" if ":" in place.address else place.address
    return f"http://{host}:{port or place.port}"
