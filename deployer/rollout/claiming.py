"""Laying a claim to a fleet, giving it up, and refusing a fleet that somebody else's store has claimed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from deployer.engine.claims import Claim, ClaimWatch, claimed_by, claims_on
from deployer.engine.events import Noted, Watch
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Journal, Sighting
from deployer.model.errors import AwsError, FleetHeld
from deployer.model.fleet import Instance, Tag
from deployer.model.outcome import Done
from deployer.rollout.preparation import Ground
from deployer.state.owner import this_process
from deployer.state.store import StateStore


@dataclass
class Claiming:
    """The claim of one run. A tag that cannot be set is told, and keeps nobody from rolling out."""

    ground: Ground
    plan: RolloutPlan
    journal: Journal
    watch: Watch
    _watching: ClaimWatch | None = field(default=None, init=False)

    def lay(self) -> None:
        """Tags the fleet's instances. Raises LeaseLost and StateUnavailable."""
        instances = self._seen()
        owner = this_process(self.ground.wiring.environment)
        own = Claim(self.plan.rollout, len(self.plan.slots), f"{owner.user}@{owner.host}")
        alive = sorted(one.id for one in instances if one.state.alive)
        self.journal.append("note", "claim", {"instances": alive})
        if self._tagged(alive, own.value, "others with another state store do not see that this rollout runs"):
            self._watching = ClaimWatch(own, frozenset(one.rollout for one in claims_on(instances)))

    def heed(self, sighting: Sighting) -> None:
        """Raises LeaseLost when somebody else has claimed the fleet."""
        if self._watching is not None:
            self._watching.check(sighting.instances)

    def give_up(self) -> None:
        """Empties the tags: to take them off would need a permission more."""
        claimed = sorted(one.id for one in self._seen() if claimed_by(one) == self.plan.rollout)
        self._tagged(claimed, "", "the claim stays; `deployer unlock` empties it")

    def _seen(self) -> Sequence[Instance]:
        try:
            return self.ground.sight().instances
        except AwsError as error:
            self.watch(Noted(f"cannot look for the fleet's claims: {error}", warning=True))
            return ()

    def _tagged(self, instances: list[str], value: str, otherwise: str) -> bool:
        outcome = self.ground.cloud.tag(instances, {Tag.CLAIM: value}) if instances else Done(None)
        if not isinstance(outcome, Done):
            self.watch(Noted(f"{Tag.CLAIM} could not be set: {outcome.reason}; {otherwise}", warning=True))
        return isinstance(outcome, Done)


def refuse_claimed(ground: Ground, store: StateStore) -> None:
    """Raises FleetHeld for a fleet that carries the claim of a rollout which this store does not know."""
    fleet = ground.wiring.settings.name
    for claim in claims_on(ground.found.instances):
        if not store.read_rollout(fleet, claim.rollout):
            raise FleetHeld(
                f"fleet {fleet} is claimed by {claim}, which this state store does not know; nothing was changed. "
                f"Wait for it, or go on with it by `deployer resume` or `deployer abort` with the store that it "
                f"was begun with; if that is lost, `deployer unlock` frees the fleet here"
            )
