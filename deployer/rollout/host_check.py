"""A look at every host before anything is drained: what a release would fail on there is told at once, for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from deployer.model.errors import PreflightRefused
from deployer.model.fleet import Instance, InstanceState
from deployer.model.hosts import Host, Package
from deployer.model.policy import Method
from deployer.remote.errors import RemoteError, Unreachable
from deployer.remote.findings import Finding, Look, grouped
from deployer.rollout.planner import members
from deployer.rollout.preparation import Prepared

_AT_ONCE = 16

Ask = Callable[[Host, Package], Look]


@dataclass(frozen=True)
class HostCheck:
    """What the hosts of a fleet said of a release."""

    findings: Mapping[str, Sequence[Finding]] = field(default_factory=dict)
    """By instance."""
    unasked: Mapping[str, str] = field(default_factory=dict)
    """Those that could not be reached, and why."""

    @property
    def lasting(self) -> list[str]:
        """What no script of the release can mend, in sentences that name the instances."""
        return grouped(self._that(lasting=True))

    @property
    def doubtful(self) -> list[str]:
        """What a script of the release may mend before it matters, and who could not be asked."""
        unless = [
            f"{text}, unless a script of the release mends it first" for text in grouped(self._that(lasting=False))
        ]
        silent = {name: [Finding(f"could not be looked at: {why}")] for name, why in self.unasked.items()}
        return [*unless, *grouped(silent)]

    def _that(self, *, lasting: bool) -> dict[str, list[Finding]]:
        return {name: [one for one in found if one.lasting is lasting] for name, found in self.findings.items()}


def check_hosts(ask: Ask, instances: Sequence[Instance], package: Package) -> HostCheck:
    """Asks every running instance what a release would meet there. Changes nothing, and never raises RemoteError.

    A host that lets us in and cannot be worked on, for want of Python, say, is a finding; one that cannot be
    reached at all is not: it would fail before anything of it is touched.
    """
    hosts = [Host(one.id, one.address, one.zone) for one in instances if one.state is InstanceState.RUNNING]
    if not hosts:
        return HostCheck()
    with ThreadPoolExecutor(min(_AT_ONCE, len(hosts)), thread_name_prefix="look") as pool:
        said = list(pool.map(lambda host: _asked(ask, host, package), hosts))
    found = {host.instance: one for host, one in zip(hosts, said, strict=True) if not isinstance(one, str)}
    silent = {host.instance: one for host, one in zip(hosts, said, strict=True) if isinstance(one, str)}
    return HostCheck(found, silent)


def _asked(ask: Ask, host: Host, package: Package) -> Sequence[Finding] | str:
    try:
        return ask(host, package).findings
    except Unreachable as problem:
        return str(problem)
    except RemoteError as problem:
        return (Finding(str(problem).removeprefix(f"{host.instance}: ").removeprefix(f"{host.instance} ")),)


def look_at_hosts(ready: Prepared) -> HostCheck:
    """What the fleet's hosts say of the release that is installed on them; nothing where none is.

    Method relaunch installs on a builder, which is asked when it is there.
    """
    plan, ground = ready.plan, ready.ground
    if plan.policy.method is not Method.IN_PLACE or ready.package is None:
        return HostCheck()
    return check_hosts(ground.hosts.work.look, members(ground.found.instances), ready.package)


def refuse_unready(check: HostCheck, release: str) -> None:
    """Raises PreflightRefused with everything that every host lacks for a release."""
    if check.lasting:
        lines = "\n".join(f"  {line}" for line in check.lasting)
        raise PreflightRefused(
            f"release {release} cannot be installed on the hosts as they are, and nothing was drained:\n{lines}"
        )
