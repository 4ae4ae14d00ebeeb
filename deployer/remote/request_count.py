"""How many requests an application has answered: a counter that it shows, or the lines of its access log."""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from deployer.remote.command import Command, command
from deployer.remote.outcome import CommandOutcome, Done, Failed, Unknown

LARGEST_PAGE = 4 * 1024 * 1024
"""Bytes of a metrics page that are read."""
LOG_SECONDS = 30.0
_LABEL = re.compile(r'\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
SELECTOR = r"[A-Za-z_:][A-Za-z0-9_:]*(\{[^{}]*\})?"
_SAMPLE = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})?\s+([0-9.eE+-]+)(?:\s+[0-9-]+)?\s*")


@dataclass(frozen=True)
class Counter:
    """A counter in Prometheus' text format: its name, and the labels that its samples must have.

    Samples that fit are added up. [Prometheus documentation, "Exposition formats"]
    """

    name: str
    labels: Mapping[str, str]
    port: int
    path: str

    def url(self, address: str) -> str:
        """Where it is shown."""
        host = f"[{address}]" if ":" in address else address
        return f"http://{host}:{self.port}{self.path}"


@dataclass(frozen=True)
class AccessLog:
    """An access log in the common or combined format, by its path on the host.

    Answers below 500 count; health checks do not: those of the balancers by their user agent, ours by theirs, and
    anybody's by their path, unless that is `/`, which visitors ask for too.
    """

    path: str
    health_path: str


RequestSource: TypeAlias = Counter | AccessLog


def counter(selector: str, port: int, path: str) -> Counter:
    """A counter from `name` or `name{label="value"}`. Raises ValueError for labels that are written otherwise."""
    name, _, inside = selector.partition("{")
    return Counter(name, _labels(inside.removesuffix("}")), port, path)


def _labels(text: str) -> dict[str, str]:
    found, at = {}, 0
    while text[at:].strip():
        match = _LABEL.match(text, at)
        if match is None:
            raise ValueError(f'{text!r} is not a list of labels such as kind="page"')
        found[match[1]], at = match[2], match.end()
    return found


def counted(page: str, wanted: Counter) -> int | None:
    """The sum of the samples that fit; None when there is none."""
    total = None
    for line in page.splitlines():
        sample = _SAMPLE.fullmatch(line)
        if sample is None or sample[1] != wanted.name:
            continue
        try:
            labels, value = _labels(sample[2] or ""), float(sample[3])
        except ValueError:
            continue
        if wanted.labels.items() <= labels.items():
            total = (total or 0.0) + value
    return int(total) if total is not None else None


def fetch(address: str, wanted: Counter, deadline: float) -> str:
    """The page of metrics, asked for directly. Raises OSError and HTTPException."""
    connection = http.client.HTTPConnection(address, wanted.port, timeout=deadline)
    try:
        connection.request("GET", wanted.path, headers={"User-Agent": "deployer", "Connection": "close"})
        response = connection.getresponse()
        page = response.read(LARGEST_PAGE)
        if response.status != 200:
            raise OSError(f"{wanted.url(address)} answered HTTP {response.status}")
        return page.decode("utf-8", "replace")
    finally:
        connection.close()


def on_host(address: str, wanted: Counter, deadline: float) -> Command:
    """The same, asked for on the application's own host."""
    words = (
        "curl",
        "--silent",
        "--show-error",
        "--fail",
        "--globoff",
        "--noproxy",
        "*",
        "--user-agent",
        "deployer",
    )
    limit = ("--max-time", f"{deadline:g}", wanted.url(address))
    return command(*words, *limit, deadline=deadline + 10.0, output_limit=LARGEST_PAGE)


_AWK = """\
/ELB-HealthChecker\\// || /"deployer"/ { next }
path != "/" && index($0, "\\"GET " path " ") { next }
/" [1-4][0-9][0-9] / { answered++ }
END { print answered + 0 }
"""


def in_log(log: AccessLog) -> tuple[str, ...]:
    """The command that counts the requests in a log."""
    return ("awk", "-v", f"path={log.health_path}", _AWK, log.path)


def read_count(outcome: CommandOutcome, what: str) -> int:
    """What the command printed. Raises ValueError with the reason when that is no number."""
    match outcome:
        case Done(output):
            text = output.decode("ascii", "replace").strip()
            if not text.isdecimal():
                raise ValueError(f"{what} gave no count")
            return int(text)
        case Failed(exit=code, tail=tail):
            raise ValueError(f"{what} cannot be counted: exit {code}: {tail.strip()[-200:]}")
        case Unknown(reason):
            raise ValueError(f"{what} cannot be counted: {reason}")
