"""What gives an instance its work: its balancers, the queues it fetches from, or something nobody has told us of.

Strategies, methods and the guard ask all sources of an instance, and know no kind. A source is pure: it judges what
was seen. How a worker is reached is for `deployer.sources` to know.
"""

from __future__ import annotations

from deployer.model.observation import Observation, Seen
from deployer.model.sources.balancers import Balancers
from deployer.model.sources.contract import Source
from deployer.model.sources.queues import Queues
from deployer.model.sources.untold import Untold

__all__ = ["Source", "sources_of"]

_BALANCERS, _UNTOLD = Balancers(), Untold()


def sources_of(seen: Observation, instance: Seen) -> tuple[Source, ...]:
    """The sources of an instance's work; at least one."""
    found: list[Source] = []
    if instance.targets:
        found.append(_BALANCERS)
    if seen.policy.work is not None:
        found.append(Queues(seen.policy.work))
    return tuple(found) or (_UNTOLD,)
