"""Carries a plan out under a lease: the first time, or where another run left off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from deployer.bake.bake import BakedImage
from deployer.bake.errors import BakeFailed, BakeHeld, BakeInterrupted
from deployer.engine.clock import StopRequest
from deployer.engine.events import Failed, Started, Watch
from deployer.engine.memory import Memory
from deployer.engine.patience import Patience, PatientJournal, PatientLease
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Journal
from deployer.engine.result import Result, Status
from deployer.model.errors import ExitCode
from deployer.model.fleet import Release
from deployer.model.observation import Observation
from deployer.model.occasions import Point
from deployer.plugins.strategies import pinned_strategy, strategy_of
from deployer.rollout.claiming import Claiming
from deployer.rollout.group.footing import Footing, footing
from deployer.rollout.group.pre_scaling import NotScaledOut
from deployer.rollout.hold import Hold, Mailbox
from deployer.rollout.hooks.around import Answers, Hooked, Stopped, hooked
from deployer.rollout.hooks.builder import HookedBuilder
from deployer.rollout.images import bake_release, expire_images, needs_bake
from deployer.rollout.preparation import Ground
from deployer.rollout.run import Run, poll_of
from deployer.rollout.untouched import untouched
from deployer.state.requests import Wish


@dataclass(frozen=True)
class Carrier:
    """What one run has in its hands: the ground, the lease and the journal, and who watches."""

    ground: Ground
    hold: Hold
    journal: Journal
    stop: StopRequest
    watch: Watch
    mailbox: Mailbox
    answers: Answers = field(default_factory=Answers)

    def __post_init__(self) -> None:
        longest = self.ground.wiring.settings.rollout.progress_deadline
        patience = Patience(self.ground.wiring.clock, self.stop, self.watch, longest)
        object.__setattr__(self, "journal", PatientJournal(self.journal, patience))
        self.hold.lease = PatientLease(self.hold.lease, patience)

    def start(self, plan: RolloutPlan) -> Result:
        """Pins the plan, bakes what it needs, and turns the loop."""
        # One that cannot be made is refused before anything is written down.
        pinned_strategy(plan, self.ground.wiring.settings.folder)
        self.journal.append("plan", plan.fleet, {"plan": plan.to_json(), "fingerprint": plan.fingerprint()})
        return self.go_on(plan, Memory(plan.goal, plan.previous), resumed=False)

    def bake(self, plan: RolloutPlan) -> BakedImage:
        """Makes the image of the plan's goal, with the hooks and gates of a bake, and ends the journal.

        Raises BakeFailed, BakeInterrupted, and BakeHeld where a hook or gate said no.
        """
        hooks = self._hooked(plan, turning_back=False)
        try:
            baked = self._baked(plan, hooks, lambda: self.ground.look(plan, {}))
        except BakeFailed as error:
            self.watch(Failed("builder", str(error), error.evidence))
            raise
        except Stopped as stopped:
            raise BakeHeld(f"no image of release {plan.goal.name} was made: {stopped}", stopped.code) from None
        self.journal.append("end", plan.fleet, {"status": "baked", "image": baked.id})
        return baked

    def go_on(self, plan: RolloutPlan, memory: Memory, *, resumed: bool = True) -> Result:
        """Turns the loop from what is remembered; a bake that was not finished is gone on with first.

        The fleet carries the rollout's claim for as long as the rollout is open.
        """
        claiming = Claiming(self.ground, plan, self.journal, self.watch)
        claiming.lay()
        result = self._carried(plan, memory, claiming, resumed=resumed)
        if result.status is not Status.INTERRUPTED:
            claiming.give_up()
        return result

    def _carried(self, plan: RolloutPlan, memory: Memory, claiming: Claiming, *, resumed: bool) -> Result:
        wiring, seconds = self.ground.wiring, 0.0
        strategy = strategy_of(plan, memory, wiring.settings.folder)
        self.watch(_started(plan, resumed=resumed))
        hooks = self._hooked(plan, turning_back=memory.rolling_back)
        if not memory.rolling_back:
            try:
                plan, seconds = self._made_ready(plan, hooks)
            except (BakeFailed, BakeInterrupted) as error:
                return self._without_image(plan, error, hooks)
            except Stopped as stopped:
                return self._never_begun(plan, stopped, hooks)
            memory.goal = plan.goal
        ledger = wiring.session.ledger
        self.hold.keep = True  # from here on the fleet may be half way, whatever ends this
        try:
            ground = self._footing(plan, rolling_back=memory.rolling_back)
        except NotScaledOut as error:
            self.hold.keep = False
            return self._never_begun(plan, Stopped(str(error), Status.FAILED, error.exit_code), hooks)
        run = Run(
            plan=plan,
            memory=memory,
            strategy=strategy,
            cloud=ground.cloud,
            hosts=self.ground.hosts,
            journal=self.journal,
            lease=self.hold.lease,
            clock=wiring.clock,
            watch=self.watch,
            package=lambda name: wiring.package(Release(name)),
            stop=self.stop,
            each_tick=self._read_mail,
            heed=claiming.heed,
            conclude=ground.conclude,
            finish=hooks.finish,
            hooks=hooks.runner,
            poll=poll_of(plan),
            seconds_bake=seconds,
            where=wiring.where,
        )
        result = run.go(lambda: (ledger.by_operation, ledger.throttled))
        self.hold.keep = run.abandoned
        if result.status is Status.SUCCEEDED:
            expire_images(self.ground, plan, self.watch)
        return self._paused(result)

    def _read_mail(self) -> None:
        """Looks for requests; who asked for what is written down, once."""
        had = self.mailbox.request, self.mailbox.approval
        self.mailbox.look()
        request, approval = self.mailbox.request, self.mailbox.approval
        if request is not None and request is not had[0]:
            self._note(request.wish, request.by, request.at)
        if approval is not None and approval != had[1]:
            self._note(Wish.APPROVE, approval.by, approval.at)

    def _note(self, wish: Wish, by: str, at: float) -> None:
        self.journal.append("note", "request", {"wish": wish.value, "by": by, "at": at})

    def _footing(self, plan: RolloutPlan, *, rolling_back: bool) -> Footing:
        return footing(self.ground, plan, self.journal, self.hold.lease, self.watch, rolling_back=rolling_back)

    def _paused(self, result: Result) -> Result:
        """A rollout that stopped because somebody asked it to says who, and that it is paused."""
        request = self.mailbox.request
        if request is None or result.status is not Status.INTERRUPTED:
            return result
        superseded = request.wish is Wish.SUPERSEDE
        reason = f"{'superseded' if superseded else 'paused'} by {request.by}"
        return replace(result, exit_code=ExitCode.PAUSED, reason=reason, superseded=superseded)

    def _hooked(self, plan: RolloutPlan, *, turning_back: bool) -> Hooked:
        hold, mailbox = self.hold, self.mailbox
        return hooked(
            self.ground, plan, self.journal, self.stop, self.watch, hold, mailbox, turning_back=turning_back
        )

    def _made_ready(self, plan: RolloutPlan, hooks: Hooked) -> tuple[RolloutPlan, float]:
        """What comes before the fleet is touched: the hooks and gates before it, and the bake if one is needed.

        Raises Stopped, HookUnsettled, BakeFailed and BakeInterrupted.
        """

        def look() -> Observation:
            return self.ground.look(plan, self.ground.ask())

        hooks.settle(self.answers, look)
        hooks.before(Point.BEFORE_ROLLOUT, look)
        if not needs_bake(plan):
            return plan, 0.0
        baked = self._baked(plan, hooks, look)
        return replace(plan, goal=replace(plan.goal, image=baked.id)), baked.seconds

    def _baked(self, plan: RolloutPlan, hooks: Hooked, look: Callable[[], Observation]) -> BakedImage:
        hooks.before(Point.BEFORE_BAKE, look)
        baked = self._image(plan, hooks)
        hooks.before(Point.AFTER_BAKE, look)
        return baked

    def _never_begun(self, plan: RolloutPlan, stopped: Stopped, hooks: Hooked) -> Result:
        """The result of a rollout that a hook or gate kept from touching the fleet."""
        seen = self.ground.look(plan, {})
        result = untouched(self.ground.wiring, plan, seen, stopped.status, stopped.code)
        result = replace(result, reason=str(stopped))
        if stopped.status is Status.FAILED:
            result = hooks.finish(result, seen)
            self.journal.append("end", plan.fleet, result.document())
        return self._paused(result)

    def _image(self, plan: RolloutPlan, hooks: Hooked) -> BakedImage:
        package = self.ground.wiring.package(plan.goal)
        builder = HookedBuilder(self.ground.builder, hooks.runner, lambda: self.ground.look(plan, {}))

        def each_tick() -> None:
            self.hold.lease.heartbeat()
            builder.each_tick()

        clock = self.ground.wiring.clock
        began = clock.now()
        try:
            baked = bake_release(
                self.ground,
                plan,
                package,
                self.journal,
                self.watch,
                each_tick=each_tick,
                stopping=lambda: self.stop.count > 0,
                builder=builder,
            )
        except (BakeFailed, BakeInterrupted) as error:
            error.seconds = clock.now() - began
            raise
        self.journal.append("note", "baked", {"image": baked.id, "snapshots": list(baked.snapshots)})
        return baked

    def _without_image(self, plan: RolloutPlan, error: BakeFailed | BakeInterrupted, hooks: Hooked) -> Result:
        """The result of a rollout that ended before the fleet was touched."""
        failed = isinstance(error, BakeFailed)
        status = Status.FAILED if failed else Status.INTERRUPTED
        code = ExitCode.TERMINATED if self.stop.signal == "SIGTERM" else error.exit_code
        seen = self.ground.look(plan, {})
        result = replace(
            untouched(self.ground.wiring, plan, seen, status, code),
            seconds_total=error.seconds,
            seconds_bake=error.seconds,
            reason=str(error),
        )
        if failed:
            result = hooks.finish(result, seen)
            self.journal.append("end", plan.fleet, result.document())
            self.watch(Failed("builder", str(error), error.evidence if isinstance(error, BakeFailed) else ""))
        return result


def _started(plan: RolloutPlan, *, resumed: bool) -> Started:
    return Started(
        plan.rollout,
        plan.fleet,
        plan.strategy,
        plan.policy.method.value,
        plan.previous.name,
        plan.goal.name,
        resumed,
    )
