"""The machine room: powers machines on and off for the EC2 service, each with its SSH server."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from deployer.lab.context import Directory, LabSettings, MachineSpec
from deployer.lab.machines import channel, disk, launchers
from deployer.lab.machines.attendant import Attendant
from deployer.lab.machines.channel import Birth
from deployer.lab.machines.machine import Machine, MachineGone, console_path, hostname_of
from deployer.lab.machines.processes import MACHINE_MARK
from deployer.lab.network import Network
from deployer.lab.ssh.host_keys import host_key, host_key_lines
from deployer.lab.ssh.known_hosts import KnownHosts
from deployer.lab.ssh.server import MachineDoor

_T = TypeVar("_T")
_UP_TIMEOUT = 20.0
_BIN_INSIDE = "/run/lab/bin"
_SHARED_INSIDE = "/mnt/shared"
_USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Loop:
    """One event loop in one thread, for all machines' channels and SSH servers."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="machines", daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, _T], timeout: float | None = None) -> _T:
        """Runs `work` in the loop and waits for it; for any other thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    def stop(self) -> None:
        """Ends the loop and its thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)


class Room:
    """Implements `deployer.lab.context.MachineRoom`; safe to call from any thread."""

    def __init__(
        self,
        directory: Directory,
        settings: LabSettings,
        network: Network,
        *,
        environment: Mapping[str, str],
        public_keys: Callable[[Sequence[str]], Sequence[str]],
    ) -> None:
        """`environment` comes to every process on every machine; `public_keys` gives key pairs by name."""
        self._directory = directory
        self._settings = settings
        self._network = network
        self._environment = environment
        self._public_keys = public_keys
        self._lock = threading.Lock()
        self._machines: dict[str, Machine] = {}
        self._doors: dict[str, MachineDoor] = {}
        self._listeners: list[Callable[[str], None]] = []
        self._known_hosts = KnownHosts(directory.home / "known_hosts", settings.ssh_port)
        self._loop = Loop()
        self.boot = settings.boot
        """Seconds that a machine without a boot time of its own takes; may be changed at any time."""
        self._bin = launchers.install(directory.home / "bin")
        self._attendant = Attendant(directory.home, environment)

    # --- the contract -----------------------------------------------------------------------

    def free_address(self, zone: str) -> str:
        """See `MachineRoom`."""
        return self._network.free_address(zone, self._settings.ssh_port)

    def power_on(self, spec: MachineSpec) -> None:
        """See `MachineRoom`. Returns when the machine's init runs and its SSH port is open."""
        with self._lock:
            if spec.instance_id in self._machines:
                return
        hostname = hostname_of(spec.address)
        keys = self._public_keys(spec.key_names)
        script = self._attendant.furnish(spec.root, spec.instance_id, hostname, spec.user_data, keys)
        key = host_key(spec.root, hostname)
        birth = self._birth(spec, script, host_key_lines(key, hostname))
        machine = self._loop.call(self._bear(spec, birth), _UP_TIMEOUT)
        door = MachineDoor(machine, key, self._settings.ssh_port)
        self._loop.call(door.open(), _UP_TIMEOUT)
        with self._lock:
            self._machines[spec.instance_id] = machine
            self._doors[spec.instance_id] = door
        self._known_hosts.put(spec.address, key)

    def power_off(self, instance_id: str, grace: float) -> None:
        """See `MachineRoom`."""
        with self._lock:
            machine = self._machines.get(instance_id)
        if machine is None:
            return
        self._loop.call(machine.power_off(grace), grace + 10.0)
        self._loop.call(self._clear(machine))

    def forget(self, instance_id: str) -> None:
        """See `MachineRoom`."""
        self.power_off(instance_id, 0.0)
        shutil.rmtree(self._folder(instance_id), ignore_errors=True)

    def console(self, instance_id: str) -> bytes:
        """See `MachineRoom`."""
        try:
            return console_path(self._folder(instance_id)).read_bytes()
        except FileNotFoundError:
            return b""

    def work_on_disks(self, argv: Sequence[str]) -> tuple[int, str]:
        """See `MachineRoom`."""
        return self._attendant.run(argv)

    # --- what the lab itself needs ----------------------------------------------------------

    def subscribe(self, listener: Callable[[str], None]) -> None:
        """Calls `listener` with the id of each machine that went down by itself, from a thread of its own."""
        self._listeners.append(listener)

    @property
    def one_user(self) -> str:
        """Why the machines have one user only; empty where they have users."""
        return self._attendant.one_user

    def is_up(self, instance_id: str) -> bool:
        """Whether the machine's init runs."""
        with self._lock:
            machine = self._machines.get(instance_id)
        return machine is not None and not machine.down.is_set()

    def pids(self) -> Mapping[str, int]:
        """Each powered-on machine's init, by its process id on the host."""
        with self._lock:
            return {name: machine.pid for name, machine in self._machines.items()}

    def run(self, instance_id: str, argv: Sequence[str], timeout: float, user: str = "root") -> tuple[int, str]:
        """Runs a command on a machine; returns its exit code and output. For agents, which live on the machine."""
        with self._lock:
            machine = self._machines.get(instance_id)
        if machine is None:
            raise MachineGone(f"{instance_id} is not running")
        return self._loop.call(_run(machine, argv, user), timeout)

    def wait_booted(self, instance_id: str, timeout: float) -> None:
        """Returns when user data has run and the disk's services were started."""
        with self._lock:
            machine = self._machines[instance_id]
        self._loop.call(_first(machine.booted, machine.down), timeout)

    def stop(self, grace: float = 0.0) -> None:
        """Powers everything off; the room cannot be used afterwards."""
        with self._lock:
            names = list(self._machines)
        threads = [threading.Thread(target=self.power_off, args=(name, grace)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(grace + 15.0)
        self._attendant.close()
        self._loop.stop()

    # --- inside -----------------------------------------------------------------------------

    def _folder(self, instance_id: str) -> Path:
        return self._directory.machines / instance_id

    def _birth(self, spec: MachineSpec, script: str, key_lines: Sequence[str]) -> Birth:
        folder = self._folder(spec.instance_id)
        folder.mkdir(parents=True, exist_ok=True)
        binds = [(path, path, False) for path in disk.interpreter_folders()]
        binds.append((str(self._bin), _BIN_INSIDE, False))
        for device, volume in spec.volumes.items():
            binds.append((str(volume), f"/mnt/{Path(device).name}", True))
        if self._settings.shared:
            binds.append((self._settings.shared, _SHARED_INSIDE, True))
        return Birth(
            machine=spec.instance_id,
            root=str(spec.root),
            hostname=hostname_of(spec.address),
            environment=self._environment_of(spec),
            binds=binds,
            boot=self.boot if spec.boot is None else spec.boot,
            user_data=script,
            console_lines=(*_boot_lines(spec, hostname_of(spec.address)), *key_lines),
            users=not self.one_user,
        )

    def _environment_of(self, spec: MachineSpec) -> dict[str, str]:
        return {
            **self._environment,
            MACHINE_MARK: spec.instance_id,
            "LANG": "C.UTF-8",
            "PATH": f"{_BIN_INSIDE}:{Path(sys.prefix, 'bin')}:{_USUAL_PATH}",
            "HOST": spec.address,
            "PORT": str(self._settings.app_port),
            "TRAFFIC_PORT": str(self._settings.traffic_port),
            **({"FRONT": self._settings.front} if self._settings.front else {}),
            "HOSTNAME": hostname_of(spec.address),
            "INSTANCE_ID": spec.instance_id,
            "AVAILABILITY_ZONE": spec.zone,
        }

    async def _bear(self, spec: MachineSpec, birth: Birth) -> Machine:
        near, far = channel.pair()
        log = os.open(console_path(self._folder(spec.instance_id)), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._attendant.bear(birth, far.fileno(), log)
        finally:
            far.close()
            os.close(log)
        machine = Machine(spec, near, birth.environment, self._gone)
        try:
            await machine.up
        except MachineGone:
            tail = self.console(spec.instance_id)[-500:].decode(errors="replace")
            raise MachineGone(f"{spec.instance_id} did not come up; its console ends: {tail}") from None
        return machine

    def _gone(self, machine: Machine) -> None:
        """In the loop: a machine's init has ended, asked for or not."""
        instance_id = machine.spec.instance_id
        if machine.told_to_go or self._machines.get(instance_id) is not machine:
            return

        def tell() -> None:
            self._loop.call(self._clear(machine))
            for listener in self._listeners:
                listener(instance_id)

        threading.Thread(target=tell, name=f"gone-{instance_id}", daemon=True).start()

    async def _clear(self, machine: Machine) -> None:
        """Closes the door of a machine that is down; the second call does nothing."""
        instance_id = machine.spec.instance_id
        with self._lock:
            if self._machines.get(instance_id) is not machine:
                return
            door = self._doors.pop(instance_id)
            del self._machines[instance_id]
        await door.close()
        self._known_hosts.drop(machine.spec.address)


def _boot_lines(spec: MachineSpec, hostname: str) -> list[str]:
    return [
        f"[    0.000000] Linux version {os.uname().release} (deployer lab)",
        f"[    0.000000] DMI: Amazon EC2 lab.micro, instance {spec.instance_id} in {spec.zone}",
        f"[    0.412000] eth0: {spec.address}",
        f"[    0.870000] systemd[1]: Hostname set to <{hostname}>.",
    ]


async def _run(machine: Machine, argv: Sequence[str], user: str) -> tuple[int, str]:
    reader, writer = os.pipe()
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        running = machine.run(argv, (nothing, writer, writer), {}, user=user)
    finally:
        os.close(nothing)
        os.close(writer)
    loop = asyncio.get_running_loop()
    with os.fdopen(reader, "rb") as stream:
        output = await loop.run_in_executor(None, stream.read)
    return await running.exit_code, output.decode(errors="replace")


async def _first(*events: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
