"""What is remembered of a worker: what it was told, through failures, restarts of it and crashes of ours."""

from __future__ import annotations

from dataclasses import replace

from deployer.engine import queues
from deployer.engine.asking import questions
from deployer.engine.memory import Facts, Memory
from deployer.engine.observe import Observer
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Record, Sighting
from deployer.engine.replay import replay
from deployer.model.hosts import Ask, CountJobs, Host, Jobs, TellWorker, Worked
from deployer.model.observation import Answer, Observation, Work
from deployer.model.policy import Policy
from deployer.model.share import Order, Share
from deployer.model.work_source import SourceKind, WorkSource
from tests.builders import GOAL, NOW, PREVIOUS, instance, planned

SOURCE = WorkSource(SourceKind.COMMAND, ("stop",), ("take",), 60.0)
PLAN = planned("i-1", policy=Policy(work=SOURCE, quiet=5.0))
HOST = Host("i-1", "127.0.0.9")


def told(order: Order, work: Work = Work.DONE) -> Worked:
    return Worked(TellWorker(HOST, order, ()), work, "" if work is Work.DONE else "exit 1")


def stopped(at: float = NOW) -> Facts:
    facts = Facts()
    queues.telling(facts, Order.STOP, at)
    queues.told(facts, told(Order.STOP), at)
    return facts


def test_it_is_told_when_the_command_has_ended_well_and_not_before() -> None:
    facts = Facts()
    queues.telling(facts, Order.STOP, NOW)
    assert (facts.work.told_since, facts.work.order_work) == (None, Work.RUNNING)
    queues.told(facts, told(Order.STOP, Work.UNKNOWN), NOW + 1)
    assert (facts.work.told_since, facts.work.detail) == (None, "exit 1")
    queues.telling(facts, Order.STOP, NOW + 6)
    queues.told(facts, told(Order.STOP), NOW + 7)
    assert (facts.work.asked_since, facts.work.told_since) == (NOW, NOW + 7)


def test_what_was_counted_before_it_was_told_says_nothing() -> None:
    facts = stopped()
    queues.counted(facts, Jobs("i-1", 0, NOW - 0.1), NOW + 1)
    assert facts.work.jobs is None


def test_idle_is_unbroken() -> None:
    facts = stopped()
    for at, jobs in ((1, 0), (3, 1), (4, 0), (6, None), (7, 0), (9, 0)):
        queues.counted(facts, Jobs("i-1", jobs, NOW + at), NOW + at)
    assert facts.work.idle_for() == 2


def test_one_that_is_installed_on_is_not_known_to_be_told_any_more() -> None:
    facts = stopped()
    queues.started_anew(facts)
    assert (facts.work.order, facts.work.told_since, facts.work.asked_since) == (Order.STOP, None, None)


def test_once_it_takes_work_again_it_is_as_one_that_was_never_told() -> None:
    facts = stopped()
    facts.detached_since = NOW
    queues.telling(facts, Order.TAKE, NOW)
    assert facts.work.told_since is None
    queues.told(facts, told(Order.TAKE, Work.FAILED), NOW)
    assert facts.work.order is Order.TAKE
    queues.told(facts, told(Order.TAKE), NOW)
    assert (facts.work, facts.detached_since) == (Share(), None)


def test_the_answer_to_an_order_that_was_overtaken_is_passed_over() -> None:
    facts = stopped()
    queues.telling(facts, Order.TAKE, NOW)
    queues.told(facts, told(Order.STOP), NOW)
    assert facts.work.told_since is None


def look(memory: Memory, plan: RolloutPlan = PLAN) -> Observation:
    return Observer(plan, memory).observe(Sighting((instance("i-1"),), {}), NOW)


def record(kind: str, subject: str, data: dict[str, object]) -> Record:
    return Record(1, 0.0, "r-1", 1, kind, subject, data)


DRAIN, ATTACH = {"move": "Drain", "instance": "i-1"}, {"move": "Attach", "instance": "i-1"}
DRAINED = (
    record("intent", "tick", {"moves": [DRAIN]}),
    record("outcome", "Drain", {"move": DRAIN, "outcome": "done"}),
)


def test_a_run_that_goes_on_tells_one_anew_that_the_run_before_had_told() -> None:
    one = look(replay(DRAINED, PLAN, NOW)).slots[0].occupants[0]
    assert (one.work.order, one.work.told_since, one.work.order_work) == (Order.STOP, None, Work.UNKNOWN)


def test_that_it_was_to_take_work_again_is_believed_only_once_the_journal_says_that_it_knows() -> None:
    begun = (*DRAINED, record("intent", "tick", {"moves": [ATTACH]}))
    assert look(replay(begun, PLAN, NOW)).slots[0].occupants[0].work.order is Order.STOP
    done = (*begun, record("outcome", "Attach", {"move": ATTACH, "outcome": "done"}))
    assert look(replay(done, PLAN, NOW)).slots[0].occupants[0].work.order is None


def test_its_jobs_are_asked_for_while_it_is_waited_for() -> None:
    memory = Memory(GOAL, PREVIOUS)
    assert CountJobs(HOST) not in list(questions(look(memory)))
    memory.instances["i-1"].work = stopped().work
    asked = list(questions(look(memory)))
    assert [task for task in asked if isinstance(task, CountJobs)] == [CountJobs(Host.of(instance("i-1")))]


def test_one_that_was_given_up_on_and_could_not_be_told_is_asked_how_it_is() -> None:
    memory = Memory(GOAL, PREVIOUS)
    memory.facts("i-1").work = Share(Order.STOP, Work.FAILED, NOW, asked_since=NOW)
    memory.facts("i-1").answer = Answer(ok=False, at=NOW)
    memory.fail("i-1", "bad")
    assert list(questions(look(memory))) == [Ask(Host.of(instance("i-1")))]
    memory.facts("i-1").work = stopped().work
    assert list(questions(look(memory))) == [CountJobs(Host.of(instance("i-1")))]


def test_the_source_is_pinned_in_the_journal() -> None:
    assert RolloutPlan.from_json(PLAN.to_json()).policy == PLAN.policy
    assert RolloutPlan.from_json(replace(PLAN, policy=Policy()).to_json()).policy.work is None
