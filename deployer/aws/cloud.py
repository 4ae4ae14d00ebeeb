"""The fleet's cloud over the AWS API: implements `deployer.engine.ports.Cloud`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from deployer.aws import classic, console, ec2, forwarding, launching, targets
from deployer.aws.batches import bisect
from deployer.aws.errors import LAG, attempt, translated
from deployer.aws.found import FoundFleet
from deployer.aws.session import AwsSession
from deployer.engine.ports import LaunchOrder, Registration, Sighting
from deployer.model.fleet import Balancer, BalancerKind, Instance, Target, TargetState, is_apart, marks_for
from deployer.model.outcome import Done, Outcome, Permanent, Temporary

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import InstanceTypeDef, TagTypeDef

VISIBLE_AFTER = 60.0
"""Seconds within which a launched instance shows in every answer; until then NotFound proves nothing."""

_TERMINATE_BATCH = 100
_TAG_BATCH = 200
_PARALLEL = 8
_ONE_BAD_ID = frozenset({"InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed", "OperationNotPermitted"})


class AwsCloud:
    """One fleet's instances and balancers. `clock` is monotonic seconds.

    With `carry_user_data` new instances get the user data of the ones they stand in for.
    """

    def __init__(
        self,
        session: AwsSession,
        fleet: FoundFleet,
        *,
        carry_user_data: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._fleet = fleet
        self._clock = clock
        self._models = ec2.Models(session.ec2, carry_user_data=carry_user_data)
        self._launched: dict[str, float] = {}
        self._lock = threading.Lock()
        self._rules: list[forwarding.Forwarding] | None = None

    def balancers(self) -> Sequence[Balancer]:
        """The fleet's balancers, as found when the fleet was."""
        return self._fleet.balancers

    def look(self) -> Sighting:
        """One DescribeInstances by filter, one health call a balancer. A silent balancer is not an error.

        A terminated instance is not shown any more. Raises AwsError when the instances cannot be described.
        """
        with translated(f"looking at the instances of {self._fleet.name}"):
            raw = self._describe()
        self._models.remember(raw)
        seen = tuple(ec2.as_instance(item, self._fleet.name) for item in raw)
        said: dict[str, Mapping[str, Target]] = {}
        silent: dict[str, str] = {}
        for balancer, outcome in self._healths():
            if isinstance(outcome, Done):
                said[balancer.id] = outcome.value
            else:
                silent[balancer.id] = outcome.reason
                said[balancer.id] = {item.id: Target(TargetState.UNKNOWN, "", outcome.reason) for item in seen}
        return Sighting(seen, said, silent, self._weights_in_force(silent))

    def launch(self, orders: Sequence[LaunchOrder]) -> Mapping[str, Outcome[Instance]]:
        """Launches; the outcomes by token. A lost answer is looked up by its token before it is Unknown."""
        outcomes = launching.launch_all(self._session.ec2, self._models, orders)
        with self._lock:
            for outcome in outcomes.values():
                if isinstance(outcome, Done):
                    self._launched[outcome.value.id] = self._clock()
        return outcomes

    def register(self, registrations: Sequence[Registration]) -> Mapping[Registration, Outcome[None]]:
        """Registers, one call a balancer; each registration has its own outcome."""
        outcomes: dict[Registration, Outcome[None]] = {}
        for balancer, items in self._by_balancer(registrations, outcomes):
            if balancer.kind is BalancerKind.CLASSIC:
                outcomes.update(classic.register(self._session.elb, balancer.id, items))
            else:
                outcomes.update(targets.register(self._session.elbv2, balancer.id, items))
        return outcomes

    def deregister(self, registrations: Sequence[Registration]) -> Mapping[Registration, Outcome[None]]:
        """Deregisters, one call a balancer; what is absent already is Done."""
        outcomes: dict[Registration, Outcome[None]] = {}
        for balancer, items in self._by_balancer(registrations, outcomes):
            if balancer.kind is BalancerKind.CLASSIC:
                outcomes.update(classic.deregister(self._session.elb, balancer.id, items))
            else:
                outcomes.update(targets.deregister(self._session.elbv2, balancer.id, items))
        return outcomes

    def terminate(self, instances: Sequence[str]) -> Mapping[str, Outcome[None]]:
        """Terminates. One unknown id fails a whole call, one protected id its whole zone: those are halved.

        An id that AWS does not know is Done, unless it was launched a moment ago.
        """

        def call(batch: Sequence[str]) -> Outcome[object]:
            return attempt(
                lambda: self._session.ec2.terminate_instances(InstanceIds=list(batch)),
                f"terminating {', '.join(batch)}",
            )

        outcomes = bisect(list(dict.fromkeys(instances)), call, _ONE_BAD_ID, size=_TERMINATE_BATCH)
        return {ident: self._gone_is_done(ident, outcome) for ident, outcome in outcomes.items()}

    def set_aside(self, instances: Sequence[str], tags: Mapping[str, str]) -> Mapping[str, Outcome[None]]:
        """Marks instances as kept apart, then takes the tags off them that find the fleet: whoever else goes by
        these (CodeDeploy, monitoring) is to leave them alone too.

        The mark alone keeps them out of the fleet, so when the second call fails the tags stay, for `doctor`.
        """
        marked = self._on_each(instances, lambda batch: self.tag(batch, tags))
        found_by = tuple(self._fleet.query.tags)
        there = [ident for ident, outcome in marked.items() if isinstance(outcome, Done)]
        if found_by and there:
            self.untag(there, found_by)
        return marked

    def untag(self, instances: Sequence[str], keys: Sequence[str]) -> Mapping[str, Outcome[None]]:
        """Takes tags off instances that are ours; harmless where there are none."""
        return self._on_each(
            instances,
            lambda batch: attempt(
                lambda: self._session.ec2.delete_tags(
                    Resources=list(batch), Tags=[{"Key": key} for key in sorted(keys)]
                ),
                f"taking {', '.join(sorted(keys))} off {', '.join(batch)}",
            ),
        )

    def _on_each(
        self, instances: Sequence[str], call: Callable[[Sequence[str]], Outcome[Any]]
    ) -> dict[str, Outcome[None]]:
        """One call for many; one that is gone is done, and keeps nobody else from being."""
        outcomes = bisect(list(dict.fromkeys(instances)), call, _ONE_BAD_ID, size=_TAG_BATCH)
        return {ident: self._gone_is_done(ident, outcome) for ident, outcome in outcomes.items()}

    def tag(self, instances: Sequence[str], tags: Mapping[str, str]) -> Outcome[None]:
        """Sets tags on instances that are ours: one call."""
        body: list[TagTypeDef] = [
            {"Key": key, "Value": value} for key, value in marks_for(self._fleet.name, tags).items()
        ]
        outcome = attempt(
            lambda: self._session.ec2.create_tags(Resources=list(instances), Tags=body),
            f"tagging {', '.join(instances)}",
        )
        return Done(None, outcome.request_id) if isinstance(outcome, Done) else outcome

    def weigh(self, weights: Mapping[str, int]) -> Outcome[None]:
        """Sets traffic weights by target group ARN on every listener and rule that forwards to them."""
        outcome = attempt(
            lambda: forwarding.forwardings(self._session.elbv2, self._fleet.load_balancers),
            "reading the listeners' rules",
        )
        if not isinstance(outcome, Done):
            return outcome
        self._rules = None
        return forwarding.set_weights(self._session.elbv2, outcome.value, weights)

    def console(self, instance: str) -> str:
        """The tail of the console output, as much as EC2 keeps; empty when there is none. Never raises."""
        return console.output(self._session.ec2, instance)

    def _describe(self) -> list[InstanceTypeDef]:
        found: dict[str, InstanceTypeDef] = {}
        for filters in self._fleet.query.filters():
            for raw in ec2.describe(self._session.ec2, filters):
                if not is_apart(ec2.tags_of(raw)):
                    found[raw.get("InstanceId", "")] = raw
        return list(found.values())

    def _healths(self) -> Iterable[tuple[Balancer, Outcome[dict[str, Target]]]]:
        balancers = self._fleet.balancers
        if len(balancers) < 2:
            return [(balancer, self._health(balancer)) for balancer in balancers]
        with ThreadPoolExecutor(max_workers=min(_PARALLEL, len(balancers))) as pool:
            return list(zip(balancers, pool.map(self._health, balancers), strict=True))

    def _health(self, balancer: Balancer) -> Outcome[dict[str, Target]]:
        if balancer.kind is BalancerKind.CLASSIC:
            return classic.health(self._session.elb, balancer.id)
        return targets.health(self._session.elbv2, balancer.id, balancer.port)

    def _weights_in_force(self, silent: dict[str, str]) -> Mapping[str, int]:
        """Weights are read only where rules split traffic among several groups of this fleet."""
        ours = frozenset(b.id for b in self._fleet.balancers if b.kind is not BalancerKind.CLASSIC)
        if len(ours) < 2:
            return {}
        elbv2 = self._session.elbv2
        known = self._rules
        if known is None:
            read = attempt(
                lambda: forwarding.splitting(forwarding.forwardings(elbv2, self._fleet.load_balancers), ours),
                "reading the listeners' rules",
            )
        elif known:
            read = attempt(lambda: forwarding.again(elbv2, known), "reading the traffic weights")
        else:
            return {}
        if not isinstance(read, Done):
            silent["weights"] = read.reason
            return {}
        self._rules = read.value
        return forwarding.in_force(read.value, ours)

    def _by_balancer(
        self, registrations: Sequence[Registration], outcomes: dict[Registration, Outcome[None]]
    ) -> Iterable[tuple[Balancer, list[Registration]]]:
        """The registrations by balancer. One for a balancer that is not the fleet's is refused (promise 8)."""
        known = {balancer.id: balancer for balancer in self._fleet.balancers}
        grouped: dict[str, list[Registration]] = {}
        for item in registrations:
            if item.balancer in known:
                grouped.setdefault(item.balancer, []).append(item)
            else:
                outcomes[item] = Permanent(f"{item.balancer} is not a balancer of {self._fleet.name}")
        return [(known[ident], items) for ident, items in grouped.items()]

    def _gone_is_done(self, instance: str, outcome: Outcome[None]) -> Outcome[None]:
        if not isinstance(outcome, Temporary) or outcome.code not in LAG:
            return outcome
        with self._lock:
            launched = self._launched.get(instance)
        if launched is not None and self._clock() - launched < VISIBLE_AFTER:
            return outcome
        return Done(None, outcome.request_id)
