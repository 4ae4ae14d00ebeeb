"""`deployer rollout`, with CodeDeploy: hold the fleet, prepare, deploy, follow, tell how it went."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from deployer.aws.codedeploy import CodeDeploy
from deployer.backends.codedeploy import green
from deployer.backends.codedeploy.carrying import Carrier, End, Ended
from deployer.backends.codedeploy.deployed import Deployed, deployed, wiring_of
from deployer.backends.codedeploy.following import Follower
from deployer.backends.codedeploy.quiet_group import QuietGroup
from deployer.backends.codedeploy.revisions import uploaded
from deployer.backends.codedeploy.setting_up import Setup, find_setup
from deployer.backends.codedeploy.telling import told
from deployer.backends.codedeploy.translate import BLUE_GREEN, group_for, host_config, method_of, refuse_inexact
from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.clock import StopRequest
from deployer.engine.events import Noted, Started, Watch
from deployer.engine.memory import Memory
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Journal
from deployer.engine.result import Result, Status
from deployer.model.errors import DeployerError, ExitCode, LeaseLost, PreflightRefused, StateUnavailable, UsageError
from deployer.model.observation import Observation
from deployer.model.occasions import Point
from deployer.model.policy import Method
from deployer.model.service import is_done
from deployer.rollout import planner
from deployer.rollout.claiming import refuse_claimed
from deployer.rollout.hold import Hold, Mailbox, closing_the_last, holding, superseding
from deployer.rollout.hooks.around import Answers, Hooked, Stopped, hooked
from deployer.rollout.images import refuse_no_way_back
from deployer.rollout.preparation import Ground, Prepared, check_settings, new_rollout, on_ground, prepare
from deployer.rollout.run import poll_of
from deployer.rollout.signals import heeding_signals
from deployer.rollout.untouched import untouched
from deployer.rollout.wiring import Wiring
from deployer.state.requests import Wish


def rollout(settings: FleetSettings, options: RunOptions, watch: Watch) -> Result:
    """Rolls a release out and returns how it went. Raises DeployerError."""
    if options.sabotage is not None:
        raise UsageError("--sabotage breaks a rule of the native backend; with --backend codedeploy there is none")
    stop = StopRequest(settings.rollout.stop_within)
    wiring = wiring_for(settings, stop)
    rollout_id, store, reason = new_rollout(wiring), wiring.store(), f"rollout to release {settings.goal()}"
    if options.supersede:
        superseding(wiring, store, rollout_id, watch)
    with heeding_signals(stop), holding(wiring, store, rollout_id, reason) as hold, on_ground(wiring) as ground:
        refuse_claimed(ground, store)
        ready = prepare(ground, options, rollout_id)
        seen = ready.look()
        if all(is_done(seen, slot) for slot in seen.slots):
            return untouched(wiring, ready.plan, seen, Status.NOTHING_TO_DO, ExitCode.DONE)
        setup = setup_of(ground, ready.plan)
        refuse_unfit(ready, setup)
        closing_the_last(wiring, store, hold.lease, rollout_id, watch)
        journal = store.open_rollout(settings.name, rollout_id, hold.lease, wiring.clock)
        mailbox = Mailbox(store, settings.name, rollout_id, stop, wiring.clock)
        run = Running(ground, hold, journal, stop, watch, mailbox, settings.rollout.method)
        return run.start(ready.plan, setup, Memory(ready.plan.goal, ready.plan.previous))


def wiring_for(settings: FleetSettings, stop: StopRequest) -> Wiring:
    """The wiring of a fleet whose settings CodeDeploy can carry out. Raises UsageError and Infeasible."""
    wiring = wiring_of(method_of(settings), stop)
    check_settings(wiring)
    refuse_inexact(wiring.settings)
    return wiring


def refuse_unfit(ready: Prepared, setup: Setup) -> None:
    """Raises PreflightRefused for what CodeDeploy would only make worse.

    While a deployment runs the fleet is as that has made it: it is followed or refused by its name, and whom it has
    taken out of a balancer is no stray.
    """
    if not setup.running:
        ready.ground.found.refuse_problems()
    planner.refuse_cut_off_work(ready.ground.wiring.settings, ready.plan.balancers, tells_workers=False)
    if ready.plan.strategy != BLUE_GREEN:
        refuse_no_way_back(ready.ground, ready.plan)
    for balancer, targets in ready.ground.cloud.look().targets.items():
        overridden = [name for name, target in targets.items() if target.ports]
        if overridden:
            raise PreflightRefused(
                f"{', '.join(sorted(overridden))} is registered at {balancer} with a port of its own, which "
                "CodeDeploy does not give back; register it without a port, or use the native backend"
            )


def setup_of(ground: Ground, plan: RolloutPlan) -> Setup:
    """What the rollout's deployments stand on, as it is now."""
    settings = ground.wiring.settings
    side = green.side_of(plan, "blue") if plan.strategy == BLUE_GREEN else None
    group = group_for(settings, plan.balancers, side)
    return find_setup(
        CodeDeploy(ground.wiring.session), settings, group, host_config(settings.rollout, plan.limits)
    )


@dataclass(frozen=True)
class Running:
    """What one run has in its hands, and who watches. `method` is what the settings said before CodeDeploy's."""

    ground: Ground
    hold: Hold
    journal: Journal
    stop: StopRequest
    watch: Watch
    mailbox: Mailbox
    method: Method
    answers: Answers = field(default_factory=Answers)

    def start(self, plan: RolloutPlan, setup: Setup, memory: Memory) -> Result:
        """Pins the plan and carries it out."""
        self.journal.append("plan", plan.fleet, {"plan": plan.to_json(), "fingerprint": plan.fingerprint()})
        return self.go_on(plan, setup, memory, resumed=False)

    def go_on(self, plan: RolloutPlan, setup: Setup, memory: Memory, *, resumed: bool = True) -> Result:
        """Carries a pinned plan out from what is remembered."""
        self.watch(_started(plan, resumed=resumed))
        for remark in remarks(self.ground.wiring.settings, self.method, setup):
            self.watch(Noted(remark))
        hooks = self._hooked(plan, turning_back=memory.rolling_back)
        began = self.ground.wiring.clock.now()
        if not memory.rolling_back:
            try:
                self._before(plan, hooks)
            except Stopped as stopped:
                return self._never_begun(plan, stopped, hooks)
        follower = self._follower(plan, memory, hooks)
        ended = self._carried(plan, setup, follower, hooks, resumed=resumed)
        self.hold.keep = ended.abandoned
        result = told(plan, follower, ended, self.ground.wiring.clock.now() - began, resumed=resumed)
        if ended.end.open:
            return self._left_open(result, ended)
        result = hooks.finish(result, follower.seen)
        self.journal.append("end", plan.fleet, result.document())
        return result

    def _carried(
        self, plan: RolloutPlan, setup: Setup, follower: Follower, hooks: Hooked, *, resumed: bool
    ) -> Ended:
        """Forward or back, and what was changed around it put back, unless somebody has to go on with it."""
        wiring, group = self.ground.wiring, QuietGroup.of(self.ground, self.journal)
        carrier = Carrier(
            api=follower.api,
            plan=plan,
            setup=setup,
            follower=follower,
            journal=self.journal,
            hooks=hooks,
            upload=lambda package: uploaded(wiring, package),
            group=group,
        )
        try:
            ended = carrier.back() if follower.memory.rolling_back else carrier.forward()
        except (LeaseLost, StateUnavailable):
            raise
        except DeployerError as refusal:
            if not (resumed or self.hold.keep):
                # Nothing of the fleet was changed, so there is nothing to resume.
                group.restore()
                self.journal.append("end", plan.fleet, {"status": Status.FAILED.value, "reason": str(refusal)})
            raise
        if not ended.abandoned:
            group.restore()
        return ended

    def _hooked(self, plan: RolloutPlan, *, turning_back: bool) -> Hooked:
        hold, mailbox = self.hold, self.mailbox
        return hooked(
            self.ground, plan, self.journal, self.stop, self.watch, hold, mailbox, turning_back=turning_back
        )

    def _before(self, plan: RolloutPlan, hooks: Hooked) -> None:
        """The hooks and gates before the fleet is touched. Raises Stopped and HookUnsettled."""

        def look() -> Observation:
            return self.ground.look(plan, self.ground.ask())

        hooks.settle(self.answers, look)
        hooks.before(Point.BEFORE_ROLLOUT, look)

    def _never_begun(self, plan: RolloutPlan, stopped: Stopped, hooks: Hooked) -> Result:
        """The result of a rollout that a hook or gate kept from touching the fleet."""
        seen = self.ground.look(plan, {})
        result = untouched(self.ground.wiring, plan, seen, stopped.status, stopped.code)
        result = replace(result, reason=str(stopped))
        if stopped.status is Status.FAILED:
            result = hooks.finish(result, seen)
            self.journal.append("end", plan.fleet, result.document())
        return self._asked_for(result)

    def _follower(self, plan: RolloutPlan, memory: Memory, hooks: Hooked) -> Follower:
        return Follower(
            api=CodeDeploy(self.ground.wiring.session),
            ground=self.ground,
            plan=plan,
            memory=memory,
            journal=self.journal,
            hold=self.hold,
            stop=self.stop,
            mailbox=self.mailbox,
            watch=self.watch,
            hooks=hooks.runner,
            poll=poll_of(plan),
            deployed=self._deployed(),
        )

    def _deployed(self) -> Deployed:
        """What is on each instance now, for an application that may not name its release."""
        wiring = self.ground.wiring
        if wiring.settings.health.model().must_name:
            return Deployed()
        return deployed(CodeDeploy(wiring.session), wiring.settings)

    def _left_open(self, result: Result, ended: Ended) -> Result:
        """The result of a rollout that can be gone on with, and the exit code that says so."""
        if ended.end is End.INTERRUPTED and self.stop.signal == "SIGTERM":
            result = replace(result, exit_code=ExitCode.TERMINATED)
        return self._asked_for(result)

    def _asked_for(self, result: Result) -> Result:
        """A rollout that stopped because somebody asked it to says who."""
        request = self.mailbox.request
        if request is None or result.status is not Status.INTERRUPTED:
            return result
        superseded = request.wish is Wish.SUPERSEDE
        reason = f"{'superseded' if superseded else 'paused'} by {request.by}"
        return replace(result, exit_code=ExitCode.PAUSED, reason=reason, superseded=superseded)


def remarks(settings: FleetSettings, method: Method, setup: Setup) -> Iterator[str]:
    """What is otherwise than one may expect, though nothing is lost by it. `method` is that of the settings."""
    if settings.rollout.method is not method:
        yield f"method {method.value} is {_HOW[settings.rollout.method]} with CodeDeploy"
    if settings.rollout.lame_duck:
        yield (
            "lame_duck is not run: CodeDeploy waits for the whole deregistration delay; a BeforeBlockTraffic "
            "script of the AppSpec can do what it does"
        )
    for running in setup.running:
        yield (
            f"the deployment {running} of {setup.group.name} has not ended: if it is of this very revision it is "
            "followed, else a rollout is refused"
        )
    if setup.last_good is None and not setup.group.blue_green:
        # The agent looks for the last revision that succeeded on the host, and passes the event by without one.
        yield (
            f"no revision was deployed to {setup.group.name} before, so BeforeBlockTraffic, AfterBlockTraffic and "
            "ApplicationStop, whose scripts come from the revision before, run none this time"
        )


_HOW = {Method.IN_PLACE: "in place", Method.RELAUNCH: "on green instances of the present image"}


def _started(plan: RolloutPlan, *, resumed: bool) -> Started:
    method = plan.policy.method.value
    return Started(plan.rollout, plan.fleet, plan.strategy, method, plan.previous.name, plan.goal.name, resumed)
