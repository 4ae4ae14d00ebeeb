"""Asks an application for its health and release: directly over HTTP, or with curl on its host."""

from __future__ import annotations

import http.client
import re
from dataclasses import dataclass

from deployer.remote.command import Command
from deployer.remote.outcome import CommandOutcome, Done, Failed, Unknown

_STATUS = re.compile(r"HTTP/[0-9.]+ ([0-9]{3})\b")
_SHOWN = 120
_REFUSED = 7
"""curl's exit code where nothing listens. [curl manual, "Exit codes"]"""
LARGEST_HEAD = 64 * 1024


@dataclass(frozen=True)
class Question:
    """What is asked: an address, a port, a path and the header that carries the release; `deadline` in seconds."""

    address: str
    port: int
    path: str = "/"
    header: str | None = "X-Release"
    deadline: float = 3.0

    @property
    def url(self) -> str:
        """The question as a URL."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{self.port}{self.path}"


@dataclass(frozen=True)
class Reply:
    """What came back; `status` is None when nothing did."""

    status: int | None
    release: str | None = None
    detail: str = ""
    heard: bool = True
    """Whether that is the application's own word: it answered, or nothing listens where it should."""

    @property
    def ok(self) -> bool:
        """Whether the application says that it is healthy."""
        return self.status is not None and 200 <= self.status < 300


def probe(question: Question) -> Reply:
    """One request over a connection of its own, never sent twice; never raises."""
    connection = http.client.HTTPConnection(question.address, question.port, timeout=question.deadline)
    try:
        connection.request("GET", question.path, headers={"User-Agent": "deployer", "Connection": "close"})
        response = connection.getresponse()
        release = response.getheader(question.header) if question.header else None
        return _reply(response.status, release)
    except TimeoutError:
        return Reply(None, detail=f"{question.url} gave no answer within {question.deadline:g} s", heard=False)
    except (OSError, http.client.HTTPException, ValueError) as problem:
        said = f"{question.url} gave no answer: {_plain(str(problem) or type(problem).__name__)}"
        return Reply(None, detail=said, heard=isinstance(problem, ConnectionRefusedError))
    finally:
        connection.close()


def curl(question: Question) -> Command:
    """The same question as a command for the application's own host; prints the head of the answer."""
    return Command(
        (
            "curl",
            "--silent",
            "--show-error",
            "--globoff",
            "--noproxy",
            "*",
            "--max-time",
            f"{question.deadline:g}",
            "--output",
            "/dev/null",
            "--dump-header",
            "-",
            "--user-agent",
            "deployer",
            question.url,
        ),
        deadline=question.deadline + 10.0,
        output_limit=LARGEST_HEAD,
    )


def curl_reply(outcome: CommandOutcome, question: Question) -> Reply:
    """What `curl` came to."""
    match outcome:
        case Done(output):
            return _head(output.decode("latin-1"), question)
        case Failed(exit=127):
            return Reply(None, detail="the host has no curl to ask its application with", heard=False)
        case Failed(exit=code, tail=tail):
            said = _plain(tail.strip().splitlines()[-1] if tail.strip() else f"curl exit {code}")
            return Reply(None, detail=f"{question.url} gave no answer on its host: {said}", heard=code == _REFUSED)
        case Unknown(reason):
            return Reply(None, detail=f"the host could not be asked: {reason}", heard=False)


def _head(text: str, question: Question) -> Reply:
    lines = text.splitlines()
    status = _STATUS.match(lines[0]) if lines else None
    if status is None:
        return Reply(None, detail=f"{question.url} gave no HTTP answer on its host")
    release = None
    for line in lines[1:]:
        name, _, value = line.partition(":")
        if question.header and name.strip().lower() == question.header.lower():
            release = value.strip()
    return _reply(int(status[1]), release)


def _reply(status: int, release: str | None) -> Reply:
    named = _plain(release) if release is not None else None
    return Reply(status, named, f"HTTP {status}" + (f", release {named}" if named else ""))


def _plain(text: str) -> str:
    """Answers of a stranger go to terminals and logs: without control characters, and short."""
    return "".join(c if c.isprintable() else "?" for c in text)[:_SHOWN]
