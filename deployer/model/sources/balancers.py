"""Target groups and classic ELBs: an instance gets its work from those that send it requests."""

from __future__ import annotations

from deployer.model.fleet import TargetState
from deployer.model.observation import Observation, Seen
from deployer.model.policy import Sabotage
from deployer.model.sources.contract import Missing

_GONE = (TargetState.ABSENT, TargetState.UNUSED)


class Balancers:
    """See `deployer.model.sources.contract.Source`."""

    def counts(self, seen: Observation, instance: Seen) -> bool:  # noqa: ARG002
        """Every balancer of the instance calls it healthy."""
        return instance.healthy_everywhere

    def is_felt(self, seen: Observation, instance: Seen) -> bool:  # noqa: ARG002
        """A balancer sends requests to what it calls healthy, and to nothing else."""
        return instance.healthy_everywhere

    def gives(self, seen: Observation, instance: Seen) -> bool:  # noqa: ARG002
        """Whether some balancer may still send it new requests or count it as its own."""
        return instance.registered_anywhere

    def is_withdrawn(self, instance: Seen) -> bool:  # noqa: ARG002
        """What was deregistered is shown to be."""
        return False

    def drain_missing(self, seen: Observation, instance: Seen) -> Missing | None:
        """What keeps it from being drained, or None when nothing reaches it any more.

        A balancer goes on showing `draining` for the whole deregistration delay, even for an idle target, so
        the host's own connection count ends a drain early: none for the quiet time, on every port that is sent to.
        Where the host cannot be asked, or has never shown a connection on one of these ports, the drain lasts until
        the balancer has let go. An NLB's live connections keep flowing to a target that is no longer registered, so
        there the host's word is waited for even then. [ALB, NLB user guides]
        """
        held = [ident for ident, t in instance.targets.items() if t.state not in (*_GONE, TargetState.DRAINING)]
        if held:
            return f"still registered with {', '.join(seen.balancer(ident).name for ident in held)}", None
        if seen.policy.sabotage is Sabotage.NO_QUIET:
            return None
        draining = any(t.state is TargetState.DRAINING for t in instance.targets.values())
        if instance.detached_since is None and not draining:
            return None  # it never was in a balancer
        if is_quiet(seen, instance):
            return None
        return _still_busy(seen, instance, draining=draining)


def is_quiet(seen: Observation, instance: Seen) -> bool:
    """Whether its host has been found without connections for the quiet time, and could have shown some.

    Time alone proves nothing: the host was asked at the end of it too. A host that has not shown one connection on
    a port that is sent to (a container's published port, a proxy elsewhere) may have any number of them.
    """
    since, until = instance.quiet_since, instance.quiet_until
    if instance.connections != 0 or since is None or until is None:
        return False
    if instance.unproven or _untold(seen, instance):
        return False
    return until - since >= seen.policy.quiet


def _untold(seen: Observation, instance: Seen) -> list[str]:
    """The balancers of an instance whose traffic leaves no trace on its host, by name."""
    return [found.name for found in map(seen.balancer, instance.targets) if found.datagrams]


def _still_busy(seen: Observation, instance: Seen, *, draining: bool) -> Missing | None:
    delay = max((seen.balancer(ident).deregistration_delay for ident in instance.targets), default=0.0)
    since = instance.detached_since or seen.now
    # `draining` is shown for the whole delay, so absence before its end proves nothing: a page may be missing.
    if not draining and seen.now - since >= delay:
        # A host that hangs may have them all the same: it is waited for as long as one that says so.
        stays = seen.keeps_connections and seen.policy.ask_hosts and instance.connections != 0
        if not stays or seen.now - since >= seen.policy.deadlines.drain / 2:
            return None
    if not instance.reachable:
        return "draining; the host cannot be asked, so for the whole deregistration delay", since + delay
    if instance.connections:
        return f"draining: {instance.connections} connections open", since + delay
    blind = _untold(seen, instance)
    if blind:
        said = f"draining; a host does not show what {', '.join(blind)} sends by UDP, so for the whole delay"
        return said, since + delay
    if instance.unproven:
        ports = ", ".join(map(str, sorted(instance.unproven)))
        said = f"draining; its host has shown no connection on port {ports}, so for the whole deregistration delay"
        return said, since + delay
    if instance.quiet_since is not None:
        return "draining: no connections, making sure", instance.quiet_since + seen.policy.quiet
    return "draining", since + delay
