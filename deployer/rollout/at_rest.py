"""Whether a fleet with no open rollout is at rest, by what is seen of it and not by what the store remembers.

Who resumes or aborts with another store than the rollout was begun with, or after its journal was lost, finds
nothing open. The fleet itself tells: its instances serve several releases, or are out of service, and carry the
rollout's tag.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from deployer.engine.claims import claims_on
from deployer.model.fleet import Tag
from deployer.model.observation import Observation
from deployer.model.service import count

RECENT = 10
"""How many of the latest rollouts in a store are compared with what instances carry; reading one costs a call."""


@dataclass(frozen=True)
class Rest:
    """What a look at a fleet tells. `strangers` are rollouts on its instances that the store does not know.

    `claimed` is whether one of them still claims the fleet.
    """

    total: int
    serving: int
    releases: tuple[tuple[str, int], ...]
    strangers: tuple[str, ...]
    claimed: bool = False

    @property
    def at_rest(self) -> bool:
        """Whether everybody is in service, on one release, and no rollout that the store does not know goes on."""
        return self.serving >= self.total and len(self.releases) <= 1 and not self.claimed

    @property
    def shares(self) -> str:
        """How many serve which release: `2 of 5 serve release 1, 3 serve release 2`."""
        first, *others = self.releases or (("none that it names", 0),)
        told = [f"{first[1]} of {self.total} serve release {first[0]}"]
        return ", ".join([*told, *(f"{number} serve release {name}" for name, number in others)])

    @property
    def unknown(self) -> str:
        """What the store does not know; empty where it knows all."""
        if not self.strangers:
            return ""
        return f"its instances carry rollout {', '.join(self.strangers)}, which this state store does not know"


def rest_of(seen: Observation, known: Collection[str]) -> Rest:
    """What this look tells; `known` are the rollouts in the store."""
    alive = [one for _, one in seen.instances() if one.alive]
    told = (seen.release_of(one) or one.instance.tags.get(Tag.RELEASE) for one in alive)
    names = Counter(name for name in told if name)
    carried = {one.instance.tags[Tag.ROLLOUT] for one in alive if one.instance.tags.get(Tag.ROLLOUT)}
    claims = {claim.rollout for claim in claims_on(one.instance for one in alive)}
    carried |= claims
    # Of what is older than all that was looked at, the store may well know.
    oldest = min(known, default="")
    strangers = tuple(sorted(one for one in carried - set(known) if one > oldest))
    claimed = bool(claims & set(strangers))
    return Rest(len(alive), count(seen).in_service, tuple(sorted(names.items())), strangers, claimed)


def half_way(fleet: str, store: str, rest: Rest) -> str:
    """The sentence for whoever goes on with a fleet that is not at rest, and has no rollout to go on with."""
    out = rest.total - rest.serving
    service = f"; {out} of them {'is' if out == 1 else 'are'} not in service" if out > 0 else ""
    other = f"; {rest.unknown}: run this with the store it was begun with, if there is one" if rest.unknown else ""
    return (
        f"no rollout of fleet {fleet} is open in {store}, and nothing was changed, but the fleet is not at rest: "
        f"{rest.shares}{service}{other}. `deployer doctor` tells what is left; `deployer rollout` or `deployer "
        "rollback --to RELEASE` brings it to one release"
    )
