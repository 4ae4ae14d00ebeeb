"""What died left changed around a rollout is put back by the rollout that comes after it."""

from __future__ import annotations

from deployer.engine.events import Noted, Watch
from deployer.engine.ports import Journal, Lease
from deployer.rollout.undo import INHERITED, LEAST, MOST, PROCESSES, SOURCE, open_undos
from deployer.rollout.wiring import Wiring
from deployer.state.store import StateStore

_LOOK_BACK = 4
"""How many of the latest rollouts are looked through, the new one among them; reading one costs a call or two."""

_PASSED_ON = (PROCESSES, SOURCE, LEAST, MOST)
"""What is put back in the same way whoever does it. The other undos go by the slots and launches of their own
rollout; `deployer doctor --leftovers` names them."""


def inherit_undos(
    wiring: Wiring, store: StateStore, rollout: str, journal: Journal, lease: Lease, watch: Watch
) -> None:
    """Writes what earlier rollouts left to be put back into this one's journal, and closes it in theirs.

    The older record of two counts: it has what was there before both. Raises StateUnavailable and LeaseLost.
    """
    fleet, group = wiring.settings.name, wiring.settings.find.asg
    if group is None:
        return
    inherited = set(open_undos(journal.records(), group))
    earlier = [one.rollout for one in store.rollouts(fleet, _LOOK_BACK) if one.rollout != rollout]
    for name in reversed(earlier):
        undos = open_undos(store.read_rollout(fleet, name), group)
        left = {what: data for what, data in undos.items() if what in _PASSED_ON}
        if not left:
            continue
        theirs = store.open_rollout(fleet, name, lease, wiring.clock)
        for what, data in left.items():
            if what not in inherited:
                inherited.add(what)
                journal.append("undo", group, {**data, INHERITED: name})
            theirs.append("undone", group, {"what": what, "by": rollout})
        watch(Noted(f"rollout {name} left {group} changed ({', '.join(sorted(left))}); this one puts it back"))
