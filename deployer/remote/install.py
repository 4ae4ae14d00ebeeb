"""Brings releases onto hosts: staged and verified first, then installed by a job that outlives the connection."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from deployer.engine.fence import Fence
from deployer.model.hosts import Host
from deployer.remote.agent_file import agent_digest, agent_file
from deployer.remote.bundle.pack import Packed
from deployer.remote.command import Command, script
from deployer.remote.door import Door
from deployer.remote.errors import RemoteError, Unreachable
from deployer.remote.footing import FACTS, PASSING, Become, Footing, footing_from
from deployer.remote.outcome import CommandOutcome, Done, Failed, Unknown
from deployer.remote.plan import HostRequest

_RECEIVE = """
set -e
mkdir -p "$1"
umask 077
cat > "$1/$2.part"
mv "$1/$2.part" "$1/$2"
"""
_HAS_AGENT = """[ -f "$1" ] && sha256sum "$1" | cut -d' ' -f1 || echo -"""

UPLOAD_SECONDS = 900.0
UPLOADS = 3
"""How often a bundle is sent that arrives damaged or not whole."""
ANSWER_SECONDS = 60.0
LOOK_SECONDS = 120.0
LOST_ANSWERS = 20
"""How many questions in a row may stay without an answer before the outcome is left open."""


class JobState(Enum):
    """How a job on a host stands. LOST: it began, its process is gone, and nobody knows what it did."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"
    ABSENT = "absent"


@dataclass(frozen=True)
class EventStatus:
    """One lifecycle event of a job; times are the host's Unix seconds."""

    event: str
    state: JobState
    began: float
    ended: float | None
    exit: int | None


@dataclass(frozen=True)
class JobStatus:
    """What a host's marker says of a job. `output` is the tail of what its scripts said."""

    job: str
    digest: str
    state: JobState
    error: str | None
    events: tuple[EventStatus, ...]
    output: str
    changed: bool = False
    """Whether a file of the application was changed, or may have been."""


@dataclass(frozen=True)
class InstallSettings:
    """For which fleet releases are installed, where they live on a host, and who installs them."""

    fleet: str
    root: str | None = None
    """None for `SYSTEM_ROOT` where it is done as root, else `HOME_ROOT`."""
    become: Become = Become.AUTO
    keep: int = 3
    poll: float = 0.5
    """Seconds between two looks at a running job's marker."""
    deadline: float = 3600.0
    """Seconds for one job; then it is asked to stop."""


class Installer:
    """Stages, installs and asks; safe to use from many threads for different hosts."""

    def __init__(
        self,
        door: Door,
        settings: InstallSettings,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        fence: Fence | None = None,
    ) -> None:
        """Hosts are told the fence's epoch, and refuse a job under an older one than they have seen."""
        self._fence = fence or Fence()
        self._door = door
        self._settings = settings
        self._sleep = sleep
        self._clock = clock
        self._guard = threading.Lock()
        self._footings: dict[Host, Footing] = {}
        self._equipped: set[Host] = set()

    @property
    def may_become(self) -> bool:
        """Whether root may be asked for."""
        return self._settings.become is not Become.NO

    def stage(self, host: Host, packed: Packed) -> None:
        """Brings a bundle onto a host and has its sha256 checked there; changes nothing that runs.

        Raises RemoteError when it did not come about; staging again is always safe.
        """
        # The archive, its files unpacked, and once more where they are installed.
        needed = str(packed.archive.stat().st_size + 2 * packed.unpacked)
        answer = self._ask(host, "stage-check", packed.digest, packed.sha256, needed)
        if answer.get("present"):
            return
        for _ in range(UPLOADS):
            found = self._upload(host, packed, str(answer["incoming"]))
            if found == packed.sha256:
                return
        raise RemoteError(
            f"{host.instance}: the bundle arrived {UPLOADS} times with another sha256 than {packed.sha256}, "
            f"the last time {found}; nothing was changed"
        )

    def _upload(self, host: Host, packed: Packed, folder: str) -> str:
        """Sends the archive once; returns the sha256 that the host found, or the end of a lost connection."""
        name = f"{packed.digest}.{packed.sha256[:16]}"
        receive = script(_RECEIVE, folder, name, deadline=UPLOAD_SECONDS)
        with packed.archive.open("rb") as stream:
            try:
                self._demand(host, self._equip(host).command(receive), stream, "the bundle did not arrive")
            except OutcomeOpen as problem:
                return str(problem)
        return str(self._ask(host, "accept", name, packed.digest, packed.sha256)["sha256"])

    def start(self, host: Host, request: HostRequest) -> JobStatus:
        """Starts a job, or tells how the same job stands when it was started before."""
        return _status(self._ask(host, "start", request.job, stdin=self._document(request)))

    def status(self, host: Host, job: str) -> JobStatus:
        """Asks the host's marker. Raises RemoteError when the host cannot be asked."""
        return _status(self._ask(host, "status", job))

    def cancel(self, host: Host, job: str) -> JobStatus:
        """Asks a running job to stop: its script is ended, and the job is FAILED."""
        return _status(self._ask(host, "cancel", job, self._fence.line, str(self._fence.epoch)))

    def _document(self, request: HostRequest) -> bytes:
        return request.document(self._fence.epoch, self._fence.line)

    def install(
        self, host: Host, request: HostRequest, on_event: Callable[[EventStatus], None] | None = None
    ) -> JobStatus:
        """Runs a job to its end, through lost connections: the host's marker is asked, nothing is run again.

        A state of RUNNING or LOST in the answer means that the outcome is open. `on_event` is told of each
        event that began or ended. Raises RemoteError when the job cannot have begun.
        """
        end = self._clock() + self._settings.deadline
        status = self._begin(host, request)
        told: set[tuple[str, JobState]] = set()
        silent = 0
        while True:
            for event in status.events:
                if on_event is not None and (event.event, event.state) not in told:
                    told.add((event.event, event.state))
                    on_event(event)
            if status.state is not JobState.RUNNING or silent > LOST_ANSWERS:
                return status
            if self._clock() > end:
                return self.cancel(host, request.job)
            self._sleep(self._settings.poll)
            try:
                status, silent = self.status(host, request.job), 0
            except Unreachable:
                silent += 1

    def _begin(self, host: Host, request: HostRequest) -> JobStatus:
        try:
            return self.start(host, request)
        except OutcomeOpen:
            # The connection went after the request was sent: the marker knows whether it began.
            status = self.status(host, request.job)
            return self.start(host, request) if status.state is JobState.ABSENT else status

    def installed(self, host: Host) -> str:
        """The digest of the bundle that was installed on a host last; empty where none was.

        Raises RemoteError when the host does not tell, or when an installation on it did not come to its end.
        """
        answer = self._ask(host, "installed")
        if answer["unfinished"]:
            begun = str(answer["unfinished"])[:16]
            raise RemoteError(f"{host.instance}: the installation of the bundle {begun} did not come to its end")
        return str(answer["current"])

    def run(self, host: Host, arguments: Sequence[str], deadline: float) -> CommandOutcome:
        """Runs a command of the user's as the one who installs. Raises RemoteError when it cannot have begun."""
        return self._door.run(host, self._footing(host).command(Command(tuple(arguments), deadline)))

    def evidence(self, host: Host) -> str:
        """The end of the application's journal and of the last job's output, as the host finds them."""
        return str(self._ask(host, "evidence")["evidence"])

    def clean_for_image(self, host: Host) -> Sequence[str]:
        """Removes what must not go into an image; returns the paths. Login keys go too: this is the last call."""
        answer = self._ask(host, "clean", self._footing(host).home, host.instance)
        return tuple(str(path) for path in answer["removed"])

    def look(self, host: Host, release: bytes) -> Mapping[str, Any]:
        """What the host's `look` says of a release, a document of `deployer.remote.findings`.

        Nothing is written on the host: its side is sent along and forgotten. Raises RemoteError.
        """
        footing, agent = self._footing(host), agent_file()
        words = (footing.python, "-I", "-c", PASSING, str(len(agent)), "look", *self._place(footing))
        wanted = footing.command(Command(words, deadline=LOOK_SECONDS, output_limit=8 * 1024 * 1024))
        return _answer(host, "look", self._door.run(host, wanted, io.BytesIO(agent + release)))

    def _ask(self, host: Host, what: str, *arguments: str, stdin: bytes | None = None) -> Mapping[str, Any]:
        footing = self._equip(host)
        words = (footing.python, "-I", footing.agent, what, *self._place(footing), *arguments)
        stream = None if stdin is None else io.BytesIO(stdin)
        outcome = self._door.run(host, footing.command(Command(words, deadline=ANSWER_SECONDS)), stream)
        return _answer(host, what, outcome)

    def _place(self, footing: Footing) -> tuple[str, ...]:
        """This fleet's store, as the first arguments of every command of the host's side."""
        return footing.root, self._settings.fleet, ":".join(footing.formers) or "-"

    def _demand(self, host: Host, wanted: Command, stdin: Any, complaint: str) -> bytes:
        match self._door.run(host, wanted, stdin):
            case Done(output):
                return output
            case Failed(status, tail):
                raise RemoteError(f"{host.instance}: {complaint}: exit {status}: {tail.strip()[-500:]}")
            case Unknown(reason):
                raise OutcomeOpen(f"{host.instance}: {complaint}: {reason}")

    def _footing(self, host: Host) -> Footing:
        with self._guard:
            known = self._footings.get(host)
        if known is None:
            said = self._demand(host, script(FACTS), None, "it does not say who we are on it")
            known = footing_from(said.decode("utf-8", "replace"), host, self._settings.root, self._settings.become)
            with self._guard:
                self._footings[host] = known
        return known

    def _equip(self, host: Host) -> Footing:
        """Brings the host's side onto it, once."""
        footing = self._footing(host)
        with self._guard:
            if host in self._equipped:
                return footing
        complaint = "it cannot be prepared"
        found = self._demand(host, footing.command(script(_HAS_AGENT, footing.agent)), None, complaint)
        if found.decode().strip() != agent_digest():
            folder, _, name = footing.agent.rpartition("/")
            receive = script(_RECEIVE, folder, name, deadline=UPLOAD_SECONDS)
            self._demand(host, footing.command(receive), io.BytesIO(agent_file()), complaint)
        with self._guard:
            self._equipped.add(host)
        return footing


class OutcomeOpen(Unreachable):
    """The request was sent and no answer came back."""


def _answer(host: Host, what: str, outcome: Done | Failed | Unknown) -> Mapping[str, Any]:
    match outcome:
        case Unknown(reason):
            raise OutcomeOpen(f"{host.instance}: no answer to {what}: {reason}")
        case Done(output):
            said = output.decode("utf-8", "replace")
        case Failed(_status, tail):
            said = tail
    try:
        answer = json.loads(said.strip().splitlines()[-1])
    except (ValueError, IndexError) as problem:
        raise RemoteError(f"{host.instance}: {what} failed: {said.strip()[-500:] or 'no output'}") from problem
    if not isinstance(answer, dict):
        raise RemoteError(f"{host.instance}: {what} gave no sensible answer: {said.strip()[-500:]}")
    if "error" in answer and "state" not in answer:
        raise RemoteError(f"{host.instance}: {answer['error']}")
    return answer


def _status(answer: Mapping[str, Any]) -> JobStatus:
    events = tuple(
        EventStatus(e["event"], JobState(e["state"]), e["began"], e.get("ended"), e.get("exit"))
        for e in answer["events"]
    )
    return JobStatus(
        answer["job"],
        answer["digest"],
        JobState(answer["state"]),
        answer["error"],
        events,
        answer["output"],
        bool(answer.get("changed", True)),
    )
