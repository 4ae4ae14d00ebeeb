"""Taking up a rollout that was cut short, whatever backend goes on with it: its lease, journal and memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from deployer.config.settings import RunOptions
from deployer.engine.events import Watch
from deployer.engine.memory import Memory
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Journal
from deployer.engine.replay import pinned_plan, replay
from deployer.engine.result import Result, Status
from deployer.model.errors import ExitCode, PreflightRefused
from deployer.model.observation import Stance
from deployer.rollout.at_rest import RECENT, half_way, rest_of
from deployer.rollout.claiming import Claiming
from deployer.rollout.hold import Hold, Mailbox, holding
from deployer.rollout.hooks.calls import Approval
from deployer.rollout.preparation import Ground, on_ground, survey
from deployer.rollout.untouched import untouched
from deployer.rollout.verdicts import ABORTED
from deployer.rollout.wiring import Wiring
from deployer.state.owner import this_process
from deployer.state.requests import Request, Wish
from deployer.state.store import Entry, StateStore


@dataclass(frozen=True)
class TakenUp:
    """An open rollout in the hands of this process, as it was planned."""

    wiring: Wiring
    store: StateStore
    hold: Hold
    journal: Journal
    plan: RolloutPlan

    def memory(self, *, turn_back: bool) -> Memory:
        """What the rollout did so far; with `turn_back` it goes back from here on, which the journal is told."""
        memory = replay(self.journal.records(), self.plan, self.wiring.clock.now())
        if turn_back and not memory.rolling_back:
            memory.turn_back()
            self.journal.append("stance", Stance.ADVANCE.value, {"reason": ABORTED, "rolling_back": True})
        return memory

    def mailbox(self, options: RunOptions) -> Mailbox:
        """Where requests come in; with `--approve` the yes of whoever resumes is there already."""
        wiring, clock = self.wiring, self.wiring.clock
        yes = Approval(str(this_process(wiring.environment)), clock.wall(), beforehand=True)
        approval = yes if options.approve else None
        return Mailbox(self.store, wiring.settings.name, self.plan.rollout, wiring.stop, clock, approval)


@contextmanager
def taking_up(wiring: Wiring, store: StateStore, rollout: str) -> Iterator[TakenUp | None]:
    """Holds the fleet for a rollout that was found open, and opens its journal. Raises DeployerError.

    None when there is nothing to go on with: it ended, or another began, before the fleet was held; or it
    died before it had a plan, and so before it had changed anything. The fleet is let go of at the end.
    """
    fleet, clock = wiring.settings.name, wiring.clock
    with holding(wiring, store, rollout, "resumed") as hold:
        last = store.last_rollout(fleet)
        if last is None or last.rollout != rollout or last.finished:
            yield None
            return
        # What asked it to pause has been heard; going on is the answer.
        store.post(fleet, Request("", Wish.PAUSE, "resume", clock.wall()))
        journal = store.open_rollout(fleet, rollout, hold.lease, clock)
        plan = pinned_plan(journal.records())
        if plan is None:
            journal.append("end", fleet, {"status": "failed", "reason": "it died before it had a plan"})
            yield None
            return
        yield TakenUp(wiring, store, hold, journal, plan)


def never_changed(ground: Ground, taken: TakenUp, watch: Watch) -> Result:
    """The end of a rollout that is aborted before it changed anything: there is no way back, and no hook of one."""
    plan, wiring = taken.plan, taken.wiring
    result = replace(
        untouched(wiring, plan, ground.look(plan, ground.ask()), Status.NOTHING_TO_DO, ExitCode.DONE),
        backend=plan.backend,
        release_from=plan.previous.name,
        image_to=plan.goal.image,
        new=(),
        reason="aborted before anything of the fleet was changed",
    )
    taken.journal.append("end", plan.fleet, result.document())
    Claiming(ground, plan, taken.journal, watch).give_up()
    return result


def refuse_other_backend(plan: RolloutPlan, ours: str) -> None:
    """Raises PreflightRefused for a rollout that another backend began."""
    if plan.backend != ours:
        raise PreflightRefused(
            f"rollout {plan.rollout} was begun with the backend {plan.backend}; go on with it by "
            f"`--backend {plan.backend}`, or set backend in [fleet.{plan.fleet}.rollout]"
        )


def nothing_open(wiring: Wiring, store: StateStore, entry: Entry | None) -> Result:
    """No rollout is open, in this store. A lease that a dead holder left behind is freed on the way.

    Raises PreflightRefused for a fleet that is not at rest: somebody believes that there is one to go on with.
    """
    holder = store.holder(wiring.settings.name)
    if holder is not None:
        with holding(wiring, store, holder.rollout, "resumed"):
            pass
    with on_ground(wiring) as ground:
        ready = survey(ground, entry.rollout if entry is not None else "")
        seen = ready.look()
        settings = wiring.settings
        rest = rest_of(seen, [one.rollout for one in store.rollouts(settings.name, RECENT)])
        if not rest.at_rest:
            place = "the store on this machine" if settings.state.store == "file" else settings.state.store
            raise PreflightRefused(half_way(settings.name, place, rest))
        result = untouched(wiring, ready.plan, seen, Status.NOTHING_TO_DO, ExitCode.DONE)
        if not rest.unknown:
            return result
        return replace(result, reason=f"no rollout is open; {rest.shares}; {rest.unknown}")
