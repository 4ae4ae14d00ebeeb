"""The EC2 service of one lab: its regions, and what other rooms of the lab may ask of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from moto.ec2.models import ec2_backends

from deployer.lab.context import InstanceFacts, LabContext
from deployer.lab.ec2.blocks import Blocks
from deployer.lab.ec2.capacity import Capacity
from deployer.lab.ec2.power import PowerControl
from deployer.lab.ec2.records import Instance
from deployer.lab.ec2.scheduler import Scheduler
from deployer.lab.ec2.store import Store
from deployer.lab.ec2.troubles import Troubles

logger = logging.getLogger(__name__)

Listener = Callable[[InstanceFacts], None]


@dataclass(frozen=True)
class Region:
    """One region: its records and its switches."""

    store: Store
    power: PowerControl


class Ec2:
    """EC2 over a lab's machines; it is also the lab's `InstanceDirectory`.

    Machines stand in the lab's own region. Other regions exist, as they do on AWS, and are empty.
    """

    def __init__(self, context: LabContext) -> None:
        self.context = context
        self.settings = context.settings
        self.machines = context.machines
        self.capacity = Capacity()
        self.scheduler = Scheduler()
        self.troubles = Troubles()
        self.blocks = Blocks(context.directory, context.settings, self.troubles, context.machines.work_on_disks)
        self._regions: dict[str, Region] = {}
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        # One thread: listeners hear of the changes in their order, and may call back into this service
        # without holding up who made the change.
        self._teller = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lab-ec2-tell")
        self.machines.subscribe(lambda instance_id: self.home.power.went_down(instance_id))

    @property
    def home(self) -> Region:
        """The region that has machines."""
        return self.region(self.settings.region)

    def region(self, name: str) -> Region:
        """A region by name, made when first asked for."""
        with self._lock:
            if name not in self._regions:
                store = Store(name)
                power = PowerControl(
                    store,
                    self.machines,
                    self.settings,
                    self.scheduler,
                    self.blocks,
                    self.troubles,
                    self._tell,
                )
                self._regions[name] = Region(store, power)
            return self._regions[name]

    def get(self, instance_id: str) -> InstanceFacts | None:
        """The facts, or None for an id that never existed or is no longer shown."""
        store = self.home.store
        store.forget_gone()
        with store.lock:
            instance = store.instances.get(instance_id)
        return None if instance is None else instance.facts()

    def all(self) -> Sequence[InstanceFacts]:
        """Every instance, terminated ones included while DescribeInstances still shows them."""
        store = self.home.store
        store.forget_gone()
        with store.lock:
            return [instance.facts() for instance in store.instances.values()]

    def subscribe(self, listener: Listener) -> None:
        """Calls `listener` after each change of an instance's power state, in the order of the changes."""
        with self._lock:
            self._listeners.append(listener)

    def public_keys(self, names: Sequence[str]) -> Sequence[str]:
        """The public keys of key pairs, in OpenSSH form; a name that has gone gives none."""
        pairs = ec2_backends[self.settings.account][self.settings.region].key_pairs
        return [str(pairs[name].public_key).strip() for name in names if name in pairs]

    def close(self) -> None:
        """Stops the service's threads; what has not happened yet does not happen."""
        self.scheduler.close()
        self._teller.shutdown(wait=True, cancel_futures=True)

    def _tell(self, instance: Instance) -> None:
        facts = instance.facts()
        try:
            self._teller.submit(self._call_listeners, facts)
        except RuntimeError:
            logger.debug("nobody is told that %s is %s: the lab closes", facts.id, facts.power.value)

    def _call_listeners(self, facts: InstanceFacts) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            try:
                listener(facts)
            except Exception:
                logger.exception("a listener failed on %s being %s", facts.id, facts.power.value)
