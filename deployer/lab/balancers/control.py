"""The control plane: a thread that keeps the targets' states and the proxy's configuration true.

Every tick it reads what is configured, takes in what became of the instances, starts the health
checks that are due, and replaces the proxy's files that have changed. The API's threads call
`register`, `deregister` and `health`, which only touch memory, under the same lock.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from deployer.lab.balancers.cutter import CannotCutError, cut
from deployer.lab.balancers.envoy_process import EnvoyProcess, ProxyError, in_flight
from deployer.lab.balancers.pool import Check, Endpoint, Pool
from deployer.lab.balancers.probe import probe
from deployer.lab.balancers.publisher import Publisher
from deployer.lab.balancers.specs import Kind, ListenerSpec, PoolSpec
from deployer.lab.balancers.targets import Lags
from deployer.lab.balancers.traffic import Tally, Traffic, TrafficLog
from deployer.lab.context import InstanceDirectory, LabSettings, Power

TICK = 0.1
"""Seconds between two looks at everything: a tenth of the default lag."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Catalogue:
    """All that is configured at one moment."""

    pools: tuple[PoolSpec, ...]
    listeners: tuple[ListenerSpec, ...]


class ControlPlane:
    """Owns the pools and the proxy. `read` gives the configuration of the moment."""

    def __init__(
        self,
        directory: InstanceDirectory,
        settings: LabSettings,
        proxy: EnvoyProcess,
        read: Callable[[], Catalogue],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._lags = Lags(settings.registration, settings.balancer_lag)
        self._scale = settings.health_scale
        self._proxy = proxy
        self._publisher = Publisher(proxy)
        self._log = TrafficLog(proxy)
        self._traffic: Traffic = {}
        self._read = read
        self._clock = clock
        self._lock = threading.RLock()
        self._pools: dict[str, Pool] = {}
        self._looked_at = clock()
        self._published_draining: dict[str, list[tuple[str, int]]] = {}
        self._checks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None
        self._stopping = False
        self._started: threading.Event = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._main, name="balancers", daemon=True)

    # --- called from the API's threads ---------------------------------------------------------

    def start(self, timeout: float = 30.0) -> None:
        """Starts the thread and the proxy; raises ProxyError when the proxy does not come up."""
        self._thread.start()
        if not self._started.wait(timeout):
            raise ProxyError(f"the lab's proxy was not ready after {timeout:g} s")
        if self._failure is not None:
            raise self._failure
        self._directory.subscribe(lambda _facts: self.wake())

    def stop(self) -> None:
        """Ends the thread and the proxy."""
        self._stopping = True
        self.wake()
        self._thread.join(timeout=15)

    def wake(self) -> None:
        """Asks for a tick now; callable from any thread."""
        loop, event = self._loop, self._wake
        if loop is not None and event is not None and not loop.is_closed():
            loop.call_soon_threadsafe(event.set)

    @contextmanager
    def pool(self, spec: PoolSpec) -> Iterator[tuple[Pool, float]]:
        """The pool for `spec`, made when it is new, and the time; held for the caller alone."""
        with self._lock:
            pool = self._pools.get(spec.name)
            if pool is None:
                pool = self._pools[spec.name] = Pool(spec, self._lags)
            pool.spec = spec
            yield pool, self._clock()

    def endpoint(self, target_id: str) -> Endpoint | None:
        """Where a target is: an instance by its id, or an IPv4 address as itself; None when unknown."""
        if target_id[:1].isdigit():
            zones = [facts.zone for facts in self._directory.all() if facts.address == target_id]
            return Endpoint(target_id, zones[0] if zones else "", Power.RUNNING)
        facts = self._directory.get(target_id)
        return Endpoint.of(facts) if facts else None

    def take_traffic(self) -> Traffic:
        """What was answered since the last time this was called."""
        with self._lock:
            taken, self._traffic = self._traffic, {}
        return taken

    def hosts(self) -> dict[str, tuple[int, int]]:
        """For each pool with registered targets how many are healthy, and how many unhealthy."""
        with self._lock:
            now = self._clock()
            return {name: pool.hosts(now) for name, pool in self._pools.items() if pool.registered()}

    # --- the thread ----------------------------------------------------------------------------

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        finally:
            self._proxy.stop()

    async def _run(self) -> None:
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        try:
            self._publisher.publish((), ())
            await self._proxy.start()
        except (ProxyError, OSError) as error:
            self._failure = error
            return
        finally:
            self._started.set()
        while not self._stopping:
            await self._guarded_tick()
            try:
                await asyncio.wait_for(self._wake.wait(), TICK)
            except TimeoutError:
                continue
            self._wake.clear()

    async def _guarded_tick(self) -> None:
        """A tick whose failure is logged: the balancers go on with what they had."""
        try:
            if self._proxy.pid is None:
                _log.warning("the lab's proxy ended; starting it again")
                await self._proxy.start()
            await self._tick()
        except Exception:  # noqa: BLE001 - the loop has to go on; the log has the traceback
            _log.exception("a look at the balancers failed; trying again")
            await asyncio.sleep(TICK)

    async def _tick(self) -> None:
        await self._notice_drained()
        await self._count()
        with self._lock:
            now = self._clock()
            catalogue = self._read()
            self._adopt(catalogue.pools)
            pools = list(self._pools.values())
            since, self._looked_at = self._looked_at, now
            cuts = [(pool.spec.source, pool.cut_sockets(now) + pool.sickened_sockets(since)) for pool in pools]
        self._cut(cuts)
        with self._lock:
            for pool in pools:
                pool.observe(self._endpoints(pool), now)
            clusters = [cluster for pool in pools for cluster in pool.clusters(now)]
            due = [(pool, check) for pool in pools for check in pool.due_checks(now, self._scale)]
            draining = {pool.spec.name: pool.draining_sockets(now) for pool in pools}
        self._publisher.publish(clusters, catalogue.listeners)
        self._published_draining = draining
        for pool, check in due:
            self._begin(pool, check)

    def _adopt(self, specs: Iterable[PoolSpec]) -> None:
        wanted = {spec.name: spec for spec in specs}
        for name in set(self._pools) - set(wanted):
            del self._pools[name]
        for name, spec in wanted.items():
            if name in self._pools:
                self._pools[name].spec = spec
            else:
                self._pools[name] = Pool(spec, self._lags)

    def _endpoints(self, pool: Pool) -> dict[str, Endpoint]:
        found = {target.key.id: self.endpoint(target.key.id) for target in pool}
        return {name: endpoint for name, endpoint in found.items() if endpoint is not None}

    async def _notice_drained(self) -> None:
        """Asks the proxy what is in flight on the hosts that were published as draining a tick ago."""
        draining = {name: hosts for name, hosts in self._published_draining.items() if hosts}
        if not draining:
            return
        try:
            active = in_flight(await self._proxy.ask("/clusters?format=json"))
        except (ProxyError, ValueError):
            return
        busy = {(cluster, (address, port)) for (cluster, address, port), count in active.items() if count}
        with self._lock:
            for name, hosts in draining.items():
                pool = self._pools.get(name)
                if pool is None:
                    continue
                names = {cluster.name for cluster in pool.clusters(self._clock())}
                pool.drained(_idle(pool, names, hosts, busy), self._clock())

    async def _count(self) -> None:
        fresh: Traffic = {}
        await self._log.read(fresh)
        with self._lock:
            for key, tally in fresh.items():
                self._traffic.setdefault(key, Tally()).add(tally)

    def _cut(self, cuts: Iterable[tuple[str, list[tuple[str, int]]]]) -> None:
        pid = self._proxy.pid
        for source, hosts in cuts:
            if pid is None or not hosts:
                continue
            try:
                ended = cut(pid, source, hosts)
            except CannotCutError as error:
                _log.warning("connections outlive the deregistration delay here: %s", error)
            else:
                if ended:
                    _log.info("ended %d connections to %s", ended, hosts)

    def _begin(self, pool: Pool, check: Check) -> None:
        task = asyncio.get_running_loop().create_task(self._check(pool, check))
        self._checks.add(task)
        task.add_done_callback(self._checks.discard)

    async def _check(self, pool: Pool, check: Check) -> None:
        rules = pool.spec.check
        timeout = rules.scaled_timeout(self._scale)
        outcome = await probe(rules, check.address, check.port, timeout)
        with self._lock:
            changed = pool.checked(check.key, outcome, self._clock())
        if changed and self._wake is not None:
            self._wake.set()


def _idle(
    pool: Pool,
    clusters: Iterable[str],
    hosts: Iterable[tuple[str, int]],
    busy: set[tuple[str, tuple[str, int]]],
) -> list[tuple[str, int]]:
    """The hosts with nothing in flight. An NLB's connections need no host entry to live on."""
    if pool.spec.kind is Kind.NETWORK:
        return list(hosts)
    names = list(clusters)
    return [host for host in hosts if not any((name, host) in busy for name in names)]
