"""`deployer rollout`, with CodeDeploy: hold the fleet, prepare, deploy, follow, tell how it went."""

from __future__ import annotations

from dataclasses import dataclass, replace

from deployer.aws.codedeploy import CodeDeploy
from deployer.backends.codedeploy import green
from deployer.backends.codedeploy.carrying import Carrier, Ended
from deployer.backends.codedeploy.following import Follower
from deployer.backends.codedeploy.setting_up import Setup, find_setup
from deployer.backends.codedeploy.translate import BLUE_GREEN, group_for, host_config, method_of, refuse_inexact
from deployer.backends.native.baking import refuse_no_way_back
from deployer.backends.native.carrying import poll_of, untouched
from deployer.backends.native.holding import Hold, Mailbox, holding, superseding
from deployer.backends.native.preparing import Ground, Prepared, check_settings, new_rollout, on_ground, prepare
from deployer.backends.native.signals import heeding_signals
from deployer.backends.native.wiring import Wiring
from deployer.config.rollout import BackendName
from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.clock import StopRequest
from deployer.engine.events import Noted, Started, Watch
from deployer.engine.memory import Memory
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Journal
from deployer.engine.result import Result, Status
from deployer.model.capacity import lower_bound
from deployer.model.errors import ExitCode, FleetHeld, PreflightRefused, UsageError
from deployer.model.policy import Method
from deployer.model.service import is_done
from deployer.state.requests import Wish

NAME = BackendName.CODEDEPLOY.value


def rollout(settings: FleetSettings, options: RunOptions, watch: Watch) -> Result:
    """Rolls a release out and returns how it went. Raises DeployerError."""
    if options.sabotage is not None:
        raise UsageError("--sabotage breaks a rule of the native backend; with --backend codedeploy there is none")
    stop = StopRequest()
    wiring = wiring_for(settings, stop)
    rollout_id, store, reason = new_rollout(wiring), wiring.store(), f"rollout to release {settings.goal()}"
    if options.supersede:
        superseding(wiring, store, rollout_id, watch)
    with heeding_signals(stop), holding(wiring, store, rollout_id, reason) as hold, on_ground(wiring) as ground:
        ready = pinned(prepare(ground, options, rollout_id))
        seen = ready.look()
        if all(is_done(seen, slot) for slot in seen.slots):
            nothing = untouched(wiring, ready.plan, seen, Status.NOTHING_TO_DO, ExitCode.DONE)
            return replace(nothing, backend=NAME)
        refuse_unfit(ready)
        setup = setup_of(ground, ready.plan)
        journal = store.open_rollout(settings.name, rollout_id, hold.lease, wiring.clock)
        mailbox = Mailbox(store, settings.name, rollout_id, stop, wiring.clock)
        run = Running(ground, hold, journal, stop, watch, mailbox, settings.rollout.method)
        return run.start(ready.plan, setup, Memory(ready.plan.goal, ready.plan.previous))


def wiring_for(settings: FleetSettings, stop: StopRequest) -> Wiring:
    """The wiring of a fleet whose settings CodeDeploy can carry out. Raises UsageError and Infeasible."""
    wiring = Wiring(method_of(settings), stop=stop)
    check_settings(wiring)
    refuse_inexact(wiring.settings)
    return wiring


def pinned(ready: Prepared) -> Prepared:
    """The plan says which backend it is for: nobody else may go on with it."""
    return replace(ready, plan=replace(ready.plan, backend=NAME))


def refuse_unfit(ready: Prepared) -> None:
    """Raises PreflightRefused for what CodeDeploy would only make worse."""
    ready.ground.found.refuse_problems()
    if ready.plan.strategy != BLUE_GREEN:
        refuse_no_way_back(ready.ground, ready.plan)
    for balancer, targets in ready.ground.cloud.look().targets.items():
        overridden = [name for name, target in targets.items() if target.port is not None]
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

    def start(self, plan: RolloutPlan, setup: Setup, memory: Memory) -> Result:
        """Pins the plan and carries it out."""
        self.journal.append("plan", plan.fleet, {"plan": plan.to_json(), "fingerprint": plan.fingerprint()})
        return self.go_on(plan, setup, memory, resumed=False)

    def go_on(self, plan: RolloutPlan, setup: Setup, memory: Memory, *, resumed: bool = True) -> Result:
        """Carries a pinned plan out from what is remembered."""
        self.watch(_started(plan, resumed=resumed))
        if self.method is not plan.policy.method:
            self.watch(Noted(f"method {self.method.value} is {_HOW[plan.policy.method]} with CodeDeploy"))
        api = CodeDeploy(self.ground.wiring.session)
        follower = Follower(
            api=api,
            ground=self.ground,
            plan=plan,
            memory=memory,
            journal=self.journal,
            hold=self.hold,
            stop=self.stop,
            mailbox=self.mailbox,
            watch=self.watch,
            poll=poll_of(plan),
        )
        began = self.ground.wiring.clock.now()
        carrier = Carrier(api, plan, setup, follower, self.journal)
        try:
            ended = carrier.back() if memory.rolling_back else carrier.forward()
        except (PreflightRefused, FleetHeld) as refusal:
            # Nothing of the fleet was changed, so there is nothing to resume.
            self.journal.append("end", plan.fleet, {"status": Status.FAILED.value, "reason": str(refusal)})
            raise
        self.hold.keep = ended.abandoned
        result = self._result(plan, follower, ended, self.ground.wiring.clock.now() - began)
        if ended.kind != "interrupted":
            self.journal.append("end", plan.fleet, result.document())
        return result

    def _result(self, plan: RolloutPlan, follower: Follower, ended: Ended, seconds: float) -> Result:
        status, code = self._verdict(ended)
        seen, tallies = follower.seen, follower.tallies
        old = tuple(slot.instance for slot in plan.slots)
        new = tuple(
            one.id
            for _, one in (seen.instances() if seen is not None else ())
            if one.alive
            and one.healthy_everywhere
            and one.answer is not None
            and one.answer.release == plan.goal.name
        )
        ledger = self.ground.wiring.session.ledger
        each = min(follower.seconds, default=0.0)
        return Result(
            rollout=plan.rollout,
            fleet=plan.fleet,
            strategy=plan.strategy,
            method=plan.policy.method.value,
            backend=NAME,
            status=status,
            release_from=plan.previous.name,
            release_to=plan.goal.name,
            image_from=plan.previous.image,
            image_to=plan.previous.image if plan.policy.method is Method.RELAUNCH else None,
            total=plan.limits.size,
            replaced=len(new),
            failed=sum(1 for facts in follower.memory.instances.values() if facts.failed is not None),
            old=old,
            new=new,
            floor=plan.limits.floor,
            lowest=tallies.lowest or 0,
            surge_limit=plan.limits.surge,
            surge_highest=max(tallies.highest_alive - plan.limits.size, 0),
            seconds_total=seconds,
            seconds_bake=0.0,
            seconds_rollout=seconds,
            seconds_lower_bound=lower_bound(
                slots=len(follower.seconds), window=plan.limits.window, seconds_each=each
            ),
            calls=ledger.by_operation,
            throttled=ledger.throttled,
            reason=ended.reason,
            exit_code=code,
        )

    def _verdict(self, ended: Ended) -> tuple[Status, ExitCode]:
        match ended.kind:
            case "reached":
                return Status.SUCCEEDED, ExitCode.DONE
            case "rolled back":
                return Status.ROLLED_BACK, ExitCode.FAILED_SAFE
            case "failed":
                return Status.FAILED, ExitCode.FAILED_SAFE if ended.safe else ExitCode.NEEDS_A_HAND
            case _:
                request = self.mailbox.request
                if request is not None and request.wish is Wish.PAUSE:
                    return Status.INTERRUPTED, ExitCode.PAUSED
                terminated = self.stop.signal == "SIGTERM"
                return Status.INTERRUPTED, ExitCode.TERMINATED if terminated else ExitCode.INTERRUPTED


_HOW = {Method.IN_PLACE: "in place", Method.RELAUNCH: "on green instances of the present image"}


def _started(plan: RolloutPlan, *, resumed: bool) -> Started:
    method = plan.policy.method.value
    return Started(plan.rollout, plan.fleet, plan.strategy, method, plan.previous.name, plan.goal.name, resumed)
