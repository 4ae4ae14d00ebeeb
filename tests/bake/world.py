"""A bake's world in virtual time: a cloud with lag, faults and crashes, a host, a journal, a clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from deployer.bake.bake import BakedImage, bake
from deployer.bake.order import CLEAN_TAG, IMAGE_TAG, BakeOrder
from deployer.bake.ports import Builder, ImageState, SeenImage, SeenSnapshot, SnapshotState, Survey
from deployer.engine.events import Event
from deployer.engine.ports import Record
from deployer.model.errors import AwsError, StateUnavailable
from deployer.model.fleet import Instance, InstanceState, Tag, kept_tags
from deployer.model.hosts import Host, Package
from deployer.model.observation import Answer, Proof
from deployer.model.outcome import Done, Outcome, Permanent, Temporary, Unknown

T = TypeVar("T")

DIGEST = "sha256:" + "0123456789abcdef" * 4


def an_order(**changes: object) -> BakeOrder:
    """Release 2 of the fleet `web`, from `ami-base`, with a builder like `i-model`."""
    order = BakeOrder("web", Package("2", DIGEST, Path("/bundle.tar.gz")), "ami-base", "i-model", "eu-west-1a")
    return replace(order, **changes)  # type: ignore[arg-type]


class Crash(BaseException):
    """The process dies here."""


class InTurn:
    """Host work is done before `run` returns: in virtual time nothing else could pass meanwhile."""

    def run(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever asks the future for its result
            future.set_exception(error)
        return future


@dataclass
class VirtualClock:
    """Time that passes only by sleeping."""

    time: float = 1000.0

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return 1.7e9 + self.time

    def sleep(self, seconds: float) -> None:
        self.time += max(seconds, 0.01)


@dataclass
class MemoryJournal:
    """Records in a list; `down` makes every append fail."""

    lines: list[Record] = field(default_factory=list)
    down: bool = False

    def append(self, kind: str, subject: str, data: Mapping[str, object]) -> Record:
        if self.down:
            raise StateUnavailable("the journal cannot be written")
        record = Record(len(self.lines), 0.0, "r", 1, kind, subject, dict(data))
        self.lines.append(record)
        return record

    def records(self) -> Sequence[Record]:
        return self.lines


@dataclass
class Thing:
    """Anything in the cloud: when it came to be, when it was told to end."""

    id: str
    born: float
    tags: dict[str, str]
    ended: float | None = None
    stopped: float | None = None
    token: str = ""
    of: str = ""
    parts: tuple[str, ...] = ()
    name: str = ""


@dataclass
class CloudWorld:
    """Implements `ImageCloud`. `faults` holds, by operation, what happens to its next calls, in order:

    `lost` (done, answer lost), `failed` (not done, answer lost), `throttled`, or an error code.
    `crash_before` and `crash_after` are numbers of mutating calls.
    """

    clock: VirtualClock
    lag: float = 0.0
    boot: float = 5.0
    snapshot_seconds: float = 8.0
    image_seconds: float = 5.0
    volumes: tuple[str, ...] = ("/dev/xvda", "/dev/sdf")
    stuck_image: bool = False
    failed_image: bool = False
    failed_snapshot: bool = False
    image_problem: str | None = None
    faults: dict[str, list[str]] = field(default_factory=dict)
    crash_before: int | None = None
    crash_after: int | None = None
    calls: list[str] = field(default_factory=list)
    builders: dict[str, Thing] = field(default_factory=dict)
    snapshots: dict[str, Thing] = field(default_factory=dict)
    pictures: dict[str, Thing] = field(default_factory=dict)
    used: frozenset[str] = frozenset()
    looks_fail_until: float = 0.0

    # -- what is there -----------------------------------------------------------------------------

    def alive(self) -> list[str]:
        """Builders that were not told to terminate."""
        return [thing.id for thing in self.builders.values() if thing.ended is None]

    def _visible(self, things: Mapping[str, Thing]) -> list[Thing]:
        return [thing for thing in things.values() if self.clock.now() - thing.born >= self.lag]

    def root_of(self, image: str) -> str:
        return image

    def survey(self, order: BakeOrder) -> Survey:
        if self.clock.now() < self.looks_fail_until:
            raise AwsError("the endpoint does not answer")
        images = [thing for thing in self._visible(self.pictures) if thing.name == order.name]
        snapshots = [t for t in self._visible(self.snapshots) if t.tags[IMAGE_TAG] == order.name]
        builders = [t for t in self._visible(self.builders) if t.tags[IMAGE_TAG] == order.name]
        return Survey(
            self._image(images[0]) if images else None,
            tuple(self._snapshot(thing) for thing in snapshots),
            tuple(
                self._builder(thing)
                for thing in builders
                if self._state(thing) is not None and Tag.KEPT not in thing.tags
            ),
            tuple(thing.id for thing in builders if thing.ended is None and Tag.KEPT in thing.tags),
        )

    def _state(self, thing: Thing) -> InstanceState | None:
        now = self.clock.now()
        if thing.ended is not None and now - thing.ended >= self.lag:
            return InstanceState.SHUTTING_DOWN if now - thing.ended < 2 + self.lag else None
        if thing.stopped is not None and now - thing.stopped >= self.lag:
            return InstanceState.STOPPING if now - thing.stopped < 2 + self.lag else InstanceState.STOPPED
        return InstanceState.PENDING if now - thing.born < self.boot else InstanceState.RUNNING

    def _builder(self, thing: Thing) -> Builder:
        state = self._state(thing)
        assert state is not None
        instance = Instance(thing.id, state, "eu-west-1a", "ami-base", "m5.large", "10.0.0.9", dict(thing.tags))
        return Builder(replace(instance, launched_at=thing.born), self._volumes(thing.id))

    def _volumes(self, builder: str) -> dict[str, str]:
        return {device: f"vol-{builder}-{index}" for index, device in enumerate(self.volumes)}

    def _snapshot(self, thing: Thing) -> SeenSnapshot:
        age = self.clock.now() - thing.born
        if self.failed_snapshot:
            return SeenSnapshot(thing.id, thing.of, SnapshotState.FAILED, 12, "volume is impaired")
        done = age >= self.snapshot_seconds
        state = SnapshotState.COMPLETED if done else SnapshotState.PENDING
        return SeenSnapshot(thing.id, thing.of, state, min(100, int(100 * age / self.snapshot_seconds)))

    def _image(self, thing: Thing) -> SeenImage:
        if self.failed_image:
            state = ImageState.FAILED
        elif self.stuck_image or self.clock.now() - thing.born < self.image_seconds:
            state = ImageState.PENDING
        else:
            state = ImageState.AVAILABLE
        problem = self.image_problem if state is ImageState.AVAILABLE else None
        return SeenImage(
            thing.id,
            thing.name,
            state,
            thing.parts,
            created=f"{thing.born:015.3f}",
            reason="snapshot unreadable",
            problem=problem,
        )

    # -- what is done ------------------------------------------------------------------------------

    def launch_builder(self, order: BakeOrder, attempt: int) -> Outcome[Instance]:
        def launch() -> Outcome[Instance]:
            token = order.token(attempt)
            same = next((t for t in self.builders.values() if t.token == token), None)
            if same is not None and same.ended is not None:
                return Permanent("the token's instance was terminated", "IdempotentInstanceTerminated")
            if same is None:
                ident = f"i-b{len(self.builders)}"
                same = Thing(ident, self.clock.now(), order.builder_tags(), token=token)
                self.builders[ident] = same
            return Done(Instance(same.id, InstanceState.PENDING, "", "", "", ""))

        return self._call("launch_builder", launch)

    def mark_clean(self, instance: str) -> Outcome[None]:
        def mark() -> Outcome[None]:
            self.builders[instance].tags[CLEAN_TAG] = "yes"
            return Done(None)

        return self._call("mark_clean", mark)

    def stop(self, instance: str) -> Outcome[None]:
        def stop() -> Outcome[None]:
            thing = self.builders[instance]
            thing.stopped = thing.stopped or self.clock.now()
            return Done(None)

        return self._call("stop", stop)

    def snapshot(self, order: BakeOrder, builder: Builder) -> Outcome[None]:
        def take() -> Outcome[None]:
            assert builder.instance.state is InstanceState.STOPPED
            for volume in builder.volumes.values():
                ident = f"snap-{len(self.snapshots)}"
                self.snapshots[ident] = Thing(ident, self.clock.now(), order.image_tags(), of=volume)
            return Done(None)

        return self._call("snapshot", take)

    def register(self, order: BakeOrder, builder: Builder, snapshots: Mapping[str, str]) -> Outcome[str]:
        def register() -> Outcome[str]:
            assert set(snapshots) == set(self.volumes)
            if any(thing.name == order.name for thing in self.pictures.values()):
                return Permanent("the name is taken", "InvalidAMIName.Duplicate")
            ident = f"ami-{len(self.pictures) + len(self.calls)}"
            parts = tuple(snapshots.values())
            self.pictures[ident] = Thing(ident, self.clock.now(), order.image_tags(), parts=parts, name=order.name)
            return Done(ident)

        return self._call("register", register)

    def keep(self, instance: str, fleet: str, rollout: str) -> Outcome[None]:
        def mark() -> Outcome[None]:
            self.builders[instance].tags.update(kept_tags(fleet, rollout))
            return Done(None)

        return self._call("keep", mark)

    def terminate(self, instance: str) -> Outcome[None]:
        def terminate() -> Outcome[None]:
            thing = self.builders[instance]
            thing.ended = thing.ended or self.clock.now()
            return Done(None)

        return self._call("terminate", terminate)

    def discard_image(self, image: str) -> Outcome[None]:
        def discard() -> Outcome[None]:
            self.pictures.pop(image, None)
            return Done(None)

        return self._call("discard_image", discard)

    def discard_snapshot(self, snapshot: str) -> Outcome[None]:
        def discard() -> Outcome[None]:
            if any(snapshot in picture.parts for picture in self.pictures.values()):
                return Permanent("the snapshot is in use", "InvalidSnapshot.InUse")
            self.snapshots.pop(snapshot, None)
            return Done(None)

        return self._call("discard_snapshot", discard)

    def console(self, instance: str) -> str:
        return f"console of {instance}"

    def images(self, fleet: str) -> Sequence[SeenImage]:
        return [self._image(thing) for thing in self.pictures.values() if thing.tags[Tag.FLEET] == fleet]

    def in_use(self, images: Sequence[str]) -> frozenset[str]:
        return self.used & frozenset(images)

    def _call(self, name: str, effect: Callable[[], Outcome[T]]) -> Outcome[T]:
        """One mutating call, with the crash or fault that is due to it."""
        number = len(self.calls)
        self.calls.append(name)
        if self.crash_before == number:
            raise Crash
        fault = self.faults[name].pop(0) if self.faults.get(name) else ""
        match fault:
            case "failed":
                outcome: Outcome[T] = Unknown("the answer was lost")
            case "throttled":
                outcome = Temporary("slow down", 2.0, "RequestLimitExceeded")
            case "lost":
                effect()
                outcome = Unknown("the answer was lost")
            case "":
                outcome = effect()
            case code:
                outcome = Temporary(code, 15.0, code) if code.startswith("Insufficient") else Permanent(code, code)
        if self.crash_after == number:
            raise Crash
        return outcome


@dataclass
class BuilderWorld:
    """Implements `BuilderHost`."""

    clock: VirtualClock
    closed_until: float = 0.0
    healthy: bool = True
    serves: str | None = "2"
    marker: str | None = None
    """The digest on its marker, for an application that names no release."""
    install_seconds: float = 4.0
    installs: list[Outcome[None]] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    def refusal(self, host: Host) -> str:
        return "" if self.clock.now() >= self.closed_until else "connection refused"

    def install(self, host: Host, package: Package, deployment: str, release_from: str) -> Outcome[None]:
        self.clock.sleep(self.install_seconds)
        self.done.append(f"install {host.instance}")
        return self.installs.pop(0) if self.installs else Done(None)

    def check(self, host: Host) -> Answer:
        self.done.append(f"check {host.instance}")
        said = "" if self.healthy else "connection refused"
        if self.marker is not None:
            return Answer(self.healthy, self.clock.now(), None, said, Proof.MARKER, self.marker)
        return Answer(self.healthy, self.clock.now(), self.serves, said)

    def clean(self, host: Host) -> Outcome[None]:
        self.done.append(f"clean {host.instance}")
        return Done(None)

    def evidence(self, host: Host) -> str:
        return f"log of {host.instance}"


@dataclass
class World:
    """Everything together."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    events: list[Event] = field(default_factory=list)
    ticks: int = 0

    def __post_init__(self) -> None:
        self.cloud = CloudWorld(self.clock)
        self.host = BuilderWorld(self.clock)

    def bake(self, order: BakeOrder | None = None, *, stop_after: int | None = None) -> BakedImage:
        """One run of the bake; `stop_after` ticks it is asked to stop."""
        self.ticks = 0

        def tick() -> None:
            self.ticks += 1

        return bake(
            self.cloud,
            self.host,
            self.journal,
            self.clock,
            order or an_order(),
            self.events.append,
            aside=InTurn(),
            each_tick=tick,
            stopping=lambda: stop_after is not None and self.ticks > stop_after,
        )

    def is_settled(self, image: BakedImage) -> bool:
        """One image, its snapshots and nothing else: no builder, no orphan."""
        return (
            list(self.cloud.pictures) == [image.id]
            and set(self.cloud.snapshots) == set(image.snapshots)
            and not self.cloud.alive()
        )
