"""The life of an instance: pending → running → stopping → stopped, shutting-down → terminated.

States change here and nowhere else. What takes time runs in the scheduler's threads, one thing at a
time for each instance.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable

from deployer.lab.context import LabSettings, MachineRoom, MachineSpec, Power
from deployer.lab.ec2.blocks import Blocks
from deployer.lab.ec2.errors import incorrect_state
from deployer.lab.ec2.records import Instance, Reason
from deployer.lab.ec2.scheduler import Scheduler
from deployer.lab.ec2.store import Store
from deployer.lab.ec2.troubles import Trouble, Troubles

logger = logging.getLogger(__name__)

_USER = Reason("Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown")
_OWN_DOING = Reason(
    "Client.InstanceInitiatedShutdown", "Client.InstanceInitiatedShutdown: Instance initiated shutdown"
)
_BROKEN = Reason("Server.InternalError", "Server.InternalError: Internal error on launch")


class PowerControl:
    """Switches the machines of one region and keeps the instances' states true to them."""

    def __init__(
        self,
        store: Store,
        machines: MachineRoom,
        settings: LabSettings,
        scheduler: Scheduler,
        blocks: Blocks,
        troubles: Troubles,
        tell: Callable[[Instance], None],
    ) -> None:
        self._store = store
        self._machines = machines
        self._settings = settings
        self._scheduler = scheduler
        self._blocks = blocks
        self._troubles = troubles
        self._tell = tell
        self._gates: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._on: set[str] = set()
        self._known: set[str] = set()

    def launch(self, instance: Instance) -> None:
        """Carries a new, pending instance on to running: disks first, then the machine."""
        self._tell(instance)
        begun = self._store.clock()

        def prepare() -> None:
            with self._gates[instance.id]:
                try:
                    for attachment in instance.attachments:
                        self._blocks.fill(self._store, attachment.volume_id)
                except Exception:
                    logger.exception("the disks of %s could not be made", instance.id)
                    self._break(instance.id)
                    return
            if self._troubles.take(Trouble.LAUNCH_FAILED):
                self._break(instance.id)
                return
            wait = begun + self._settings.pending - self._store.clock()
            self._scheduler.after(wait, f"boot {instance.id}", lambda: self._boot(instance.id, first=True))

        self._scheduler.after(0, f"make the disks of {instance.id}", prepare)

    def start(self, instance_id: str) -> Power:
        """StartInstances: returns the state before. A running one stays as it is."""
        with self._store.lock:
            instance = self._store.instances[instance_id]
            before = instance.power
            if before in (Power.PENDING, Power.RUNNING):
                return before
            if before is not Power.STOPPED:
                raise _not(instance, "started")
            changed = self._store.change(
                instance_id, power=Power.PENDING, reason=None, transition="", launched=self._store.now()
            )
        self._tell(changed)
        self._scheduler.after(
            self._settings.pending, f"boot {instance_id}", lambda: self._boot(instance_id, first=False)
        )
        return before

    def stop(self, instance_id: str, reason: Reason = _USER) -> Power:
        """StopInstances: returns the state before. A stopped one stays as it is; disk and address remain."""
        with self._store.lock:
            instance = self._store.instances[instance_id]
            before = instance.power
            if before in (Power.STOPPING, Power.STOPPED):
                return before
            if before is not Power.RUNNING:
                raise _not(instance, "stopped")
            changed = self._leave(instance_id, Power.STOPPING, reason)
        self._tell(changed)
        until = self._store.clock() + self._settings.stopping
        self._scheduler.after(0, f"stop {instance_id}", lambda: self._halt(instance_id, until))
        return before

    def terminate(self, instance_id: str, reason: Reason = _USER) -> Power:
        """TerminateInstances: returns the state before. One already on its way out stays on it."""
        with self._store.lock:
            before = self._store.instances[instance_id].power
            if before in (Power.SHUTTING_DOWN, Power.TERMINATED):
                return before
            changed = self._leave(instance_id, Power.SHUTTING_DOWN, reason)
        self._tell(changed)
        until = self._store.clock() + self._settings.shutting_down
        self._scheduler.after(0, f"terminate {instance_id}", lambda: self._end(instance_id, until))
        return before

    def reboot(self, instance_id: str) -> None:
        """RebootInstances: the state stays `running` while the machine goes off and on again."""
        with self._store.lock:
            instance = self._store.instances[instance_id]
            if instance.power is not Power.RUNNING:
                raise _not(instance, "rebooted")
        self._scheduler.after(0, f"reboot {instance_id}", lambda: self.cycle(instance_id, lambda: None))

    def cycle(self, instance_id: str, between: Callable[[], None]) -> None:
        """Switches a running machine off, does `between`, and switches it on again; returns when done."""
        with self._gates[instance_id]:
            self._off(instance_id)
            between()
            with self._store.lock:
                instance = self._store.instances.get(instance_id)
            if instance is not None and instance.power is Power.RUNNING:
                self._switch_on(instance, b"")

    def went_down(self, instance_id: str) -> None:
        """A machine was shut down from inside: its instance stops, or ends, as its shutdown behaviour says."""
        with self._gates[instance_id]:
            with self._store.lock:
                instance = self._store.instances.get(instance_id)
            if instance is None or instance.power is not Power.RUNNING or self._machines.is_up(instance_id):
                return
            if instance.shutdown_behavior == "terminate":
                self.terminate(instance_id, _OWN_DOING)
            else:
                self.stop(instance_id, _OWN_DOING)

    def _leave(self, instance_id: str, power: Power, reason: Reason) -> Instance:
        moment = self._store.now().strftime("%Y-%m-%d %H:%M:%S")
        by = "User initiated" if reason is _USER else reason.code
        transition = f"{by} ({moment} GMT)"
        return self._store.change(instance_id, power=power, reason=reason, transition=transition, started=None)

    def _boot(self, instance_id: str, first: bool) -> None:
        with self._gates[instance_id]:
            with self._store.lock:
                instance = self._store.instances.get(instance_id)
                if instance is None or instance.power is not Power.PENDING:
                    return
                instance = self._store.change(instance_id, power=Power.RUNNING, started=self._store.clock())
            self._tell(instance)
            # cloud-init runs user data once in an instance's life, so a later boot has none.
            self._switch_on(instance, instance.user_data if first else b"")

    def _switch_on(self, instance: Instance, user_data: bytes) -> None:
        self._known.add(instance.id)
        try:
            self._machines.power_on(self._spec(instance, user_data))
        except Exception:
            logger.exception("the machine of %s could not be switched on", instance.id)
            self._break(instance.id)
            return
        self._on.add(instance.id)

    def _break(self, instance_id: str) -> None:
        """A machine that cannot be had: the instance goes from pending to terminated, as EC2 does it."""
        self.terminate(instance_id, _BROKEN)

    def _off(self, instance_id: str) -> None:
        if instance_id in self._on:
            self._machines.power_off(instance_id, self._settings.stop_grace)
            self._on.discard(instance_id)

    def _halt(self, instance_id: str, until: float) -> None:
        with self._gates[instance_id]:
            self._off(instance_id)
        wait = until - self._store.clock()
        self._scheduler.after(wait, f"mark {instance_id} stopped", lambda: self._mark_stopped(instance_id))

    def _mark_stopped(self, instance_id: str) -> None:
        with self._store.lock:
            instance = self._store.instances.get(instance_id)
            if instance is None or instance.power is not Power.STOPPING:
                return
            changed = self._store.change(instance_id, power=Power.STOPPED)
        self._tell(changed)

    def _end(self, instance_id: str, until: float) -> None:
        with self._gates[instance_id]:
            self._off(instance_id)
        wait = until - self._store.clock()
        self._scheduler.after(wait, f"bury {instance_id}", lambda: self._bury(instance_id))

    def _bury(self, instance_id: str) -> None:
        with self._gates[instance_id]:
            instance = self._store.instances[instance_id]
            if instance_id in self._known:
                self._machines.forget(instance_id)
                self._known.discard(instance_id)
            self._blocks.part(self._store, instance)
            changed = self._store.change(
                instance_id,
                power=Power.TERMINATED,
                attachments=(),
                gone_at=self._store.clock() + self._settings.terminated_shown,
            )
        self._tell(changed)

    def _spec(self, instance: Instance, user_data: bytes) -> MachineSpec:
        path = self._blocks.volumes.path
        folders = {a.device: path(a.volume_id) for a in instance.attachments}
        root = folders.pop(instance.root_device)
        return MachineSpec(
            instance_id=instance.id,
            zone=instance.zone,
            address=instance.address,
            root=root,
            volumes=folders,
            user_data=user_data,
            key_names=(instance.key_name,) if instance.key_name else (),
            tags=dict(instance.tags),
            boot=instance.boot,
        )


def _not(instance: Instance, verb: str) -> Exception:
    return incorrect_state(
        f"The instance '{instance.id}' is not in a state from which it can be {verb}: it is {instance.power.value}."
    )
