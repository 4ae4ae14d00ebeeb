"""A machine room on the bench: what tests do with its machines."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from deployer.lab.context import LabSettings, MachineSpec
from deployer.lab.machines.room import Room
from tests.patience import PATIENCE

ZONES = ("eu-west-1a", "eu-west-1b")


def until(true: Callable[[], object], what: str) -> None:
    """Waits until `true` says so."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"waited {PATIENCE:.0f} s: {what}"
        time.sleep(0.02)


def close(room: Room, home: Path) -> None:
    """Ends the room and removes its disks, whose files are not all this user's to remove."""
    for instance_id in room.pids():
        room.power_off(instance_id, 0.0)
    with contextlib.suppress(OSError):
        # A test may have ended the room itself.
        room.work_on_disks(["rm", "-rf", "--", *(str(home / name) for name in ("volumes", "snapshots"))])
    room.stop()


@dataclass
class Lab:
    """A room with its network and a key that its machines know."""

    room: Room
    home: Path
    key: Path
    settings: LabSettings
    _count: int = field(default=0)

    def spec(self, user_data: bytes = b"", boot: float = 0.0, zone: str = ZONES[0]) -> MachineSpec:
        """A new machine with an empty disk."""
        self._count += 1
        root = self.home / "volumes" / f"vol-{self._count}"
        root.mkdir(parents=True)
        return MachineSpec(
            instance_id=f"i-{self.home.name}-{self._count}",
            zone=zone,
            address=self.room.free_address(zone),
            root=root,
            user_data=user_data,
            key_names=("lab",),
            boot=boot,
        )

    def boot(self, spec: MachineSpec) -> MachineSpec:
        """Powers it on and waits until its services were started."""
        self.room.power_on(spec)
        self.room.wait_booted(spec.instance_id, PATIENCE)
        return spec

    def run(self, spec: MachineSpec, script: str) -> str:
        """A shell script's output; it must succeed."""
        code, output = self.room.run(spec.instance_id, ["sh", "-c", script], PATIENCE)
        assert code == 0, output
        return output.strip()

    def again(self, spec: MachineSpec, **changes: object) -> MachineSpec:
        """Off and on again, as StopInstances and StartInstances do it."""
        self.room.power_off(spec.instance_id, 5.0)
        return self.boot(replace(spec, **changes))  # type: ignore[arg-type]
