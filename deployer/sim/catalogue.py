"""All faults that a rollout must survive, by number: what must happen, and where it is made to happen.

`python -m deployer.sim --faults` prints it as docs/faults.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deployer.sim.faults import Fault

_IN_TWIN = frozenset(fault.value for fault in Fault)


@dataclass(frozen=True)
class Entry:
    """One fault. `tests` are the tests that show it where the twin cannot, or beside the twin."""

    number: int
    fault: str
    answer: str
    tests: tuple[str, ...] = ()

    @property
    def in_twin(self) -> bool:
        """Whether seeded rollouts are befallen by it."""
        return self.number in _IN_TWIN


FAULTS = (
    Entry(1, "throttled", "its own token bucket and full jitter; deadlines stretch, the floor does not"),
    Entry(2, "launch applied, answer lost", "the same token again; adopted"),
    Entry(3, "image made, answer lost", "looked up by name and tag; adopted", ("tests/bake/test_bake.py",)),
    Entry(4, "termination applied, answer lost", "repeated"),
    Entry(5, "not found just after a launch", "waited for; no failure"),
    Entry(6, "not found on a termination", "described until it is gone"),
    Entry(7, "a describe shows the old state", "nothing more is asked of that instance until it shows"),
    Entry(8, "no capacity", "the next zone under a new token, then less surge, then a pause"),
    Entry(9, "quota used up", "found by the preflight, else waited for up to the progress deadline"),
    Entry(10, "token used already", "the next attempt number, journaled first"),
    Entry(11, "dies while it drains", "replaced, counted once"),
    Entry(12, "never healthy", "its deadline; given up on with its logs; counted"),
    Entry(13, "health flaps", "several looks in a row are believed; not done before"),
    Entry(14, "answers with the wrong release", "that instance failed"),
    Entry(15, "everything unhealthy, the balancer fails open", "stops; never read as health"),
    Entry(16, "an unrelated instance dies", "the room shrinks: it waits"),
    Entry(17, "the group replaces one in mid-rollout", "adopted, and replaced if old"),
    Entry(18, "scaled in", "its place is given up"),
    Entry(19, "scaled out with the old image", "looked at again until nothing old is left"),
    Entry(20, "spot notice", "taken as lost"),
    Entry(21, "the wall clock jumps", "deadlines are monotonic"),
    Entry(22, "credentials expire", "stops so that it can be resumed"),
    Entry(23, "access denied", "found by the preflight, else stops without retrying"),
    Entry(24, "SSH hangs", "deadlines for connecting, for silence and for commands"),
    Entry(25, "SSH drops in mid-command", "unknown: the host's own marker is asked; never run twice blindly"),
    Entry(26, "SSM agent offline", "hosts are reached by SSH alone: see 24", ("tests/remote/test_pool.py",)),
    Entry(27, "disk full on the host", "an atomic switch: the old release stays whole"),
    Entry(28, "part of a batch registered", "each target is looked at, the missing are repeated"),
    Entry(29, "one bad id in a terminate batch", "the batch is halved"),
    Entry(30, "one protected id in a terminate batch", "the others go; that one is tried again"),
    Entry(31, "image stuck pending", "its deadline; cleaned up; the fleet untouched", ("tests/bake/test_bake.py",)),
    Entry(32, "snapshot error", "the same", ("tests/bake/test_bake.py",)),
    Entry(33, "the image to go back to is gone", "found at the plan, else the rollback stops with a reason"),
    Entry(34, "lease broken by somebody", "nothing more is changed; ends"),
    Entry(35, "holder paused past its lease", "fences itself on waking"),
    Entry(36, "state store down", "nothing changed; waited for until the deadline, then resumable"),
    Entry(37, "journal torn", "the torn tail is cut off; resumed"),
    Entry(
        38,
        "SIGINT once, twice; SIGKILL",
        "returned to service or left for `resume`",
        ("tests/e2e/test_signals.py",),
    ),
    Entry(39, "SIGTERM with ten seconds of grace", "the journal is durable already"),
    Entry(40, "an operator detaches one", "looked at again, and mended"),
    Entry(41, "a second rollout starts", "refused, and told who holds the fleet"),
    Entry(42, "endpoint or DNS failure", "frozen, tried again; nothing new"),
    Entry(43, "alarm in ALARM", "nothing new; turns back if asked"),
    Entry(44, "alarm without data", "not OK: pauses"),
    Entry(45, "a hook hangs or fails", "ended at its timeout; failed"),
    Entry(46, "a page of targets missing", "neither healthy nor drained until it is seen"),
    Entry(47, "target in two groups, one drained", "both are waited for"),
    Entry(48, "the bundle's digest differs", "refused before the instance is drained"),
    Entry(
        49,
        "a CodeDeploy deployment runs already",
        "adopted for the same revision, else refused",
        ("tests/backends/codedeploy",),
    ),
    Entry(
        50,
        "no traffic reaches a new instance",
        "unproven where requests are asked for: given up on; counted",
        ("tests/model/test_proof.py", "tests/e2e/test_proof_by_traffic.py"),
    ),
    Entry(57, "half-closed and closing connections", "count as in use", ("tests/remote/test_sockets.py",)),
    Entry(
        58,
        "a balancer sends to another port than the health port",
        "every port is watched; targets go back with their own",
        ("tests/engine/test_ports.py",),
    ),
    Entry(
        59,
        "connections that the host cannot show",
        "the whole deregistration delay is waited for",
        ("tests/model/test_quiet.py",),
    ),
    Entry(
        61,
        "the application names no release",
        "known by its image, its host's marker or its deployment; health proves nothing",
        ("tests/sim/test_no_header.py", "tests/e2e/test_no_header.py"),
    ),
    Entry(
        70,
        "a worker is to go while it works on a job",
        "told to take no more work, and waited for until it has none",
        ("tests/model/test_queues.py",),
    ),
    Entry(101, "turns sick after it was in service", "given up on; counted"),
    Entry(102, "how many jobs a worker has is not known", "unknown is not idle: the longest job is waited out"),
    Entry(
        103,
        "stopped inside a call past its lease, and taken over",
        "asks the lease before it sends; nothing is sent",
        ("tests/aws/test_sending.py", "tests/remote/test_fence.py", "tests/e2e/test_stopped_inside_calls.py"),
    ),
    Entry(
        104,
        "stopped between two attempts of a call, and taken over",
        "each attempt asks; the second is not sent",
        ("tests/aws/test_sending.py", "tests/e2e/test_stopped_inside_calls.py"),
    ),
)
"""In the order of their numbers; from 101 on they are the twin's own."""


_HEAD = """\
# Faults

What a rollout must survive. *Twin* names the fault by which `make simulate` brings it about, in random rollouts
whose promises are checked after every event; a run of a thousand seeds or more fails when one of them was never
reached. Where the twin cannot have it, the tests that show it are named. From 101 on the numbers are the twin's
own. Made by the program: `python -m deployer.sim --faults`.

"""


def page() -> Iterator[str]:
    """The lines of docs/faults.md."""
    yield from _HEAD.splitlines()
    yield "| # | fault | what happens | twin | tests |"
    yield "|---|---|---|---|---|"
    for one in FAULTS:
        twin = f"`{Fault(one.number).name}`" if one.in_twin else ""
        tests = ", ".join(f"`{path}`" for path in one.tests)
        yield f"| {one.number} | {one.fault} | {one.answer} | {twin} | {tests} |"
