"""`[fleet.NAME.work]`: what fits together, and one sentence about what does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from deployer.config.settings import FleetSettings
from deployer.model.errors import UsageError
from deployer.model.work_source import SourceKind, WorkSource

Load = Callable[..., FleetSettings]
FIND = '[fleet.web]\nfind = { tags = { Service = "shop" } }\nbalancers = []\n[fleet.web.work]\n'
TOLD = 'stop_taking = ["stop", "it"]\ntake_again = "go"\n'


def test_the_settings_of_a_worker_become_what_the_plan_pins(load: Load) -> None:
    fleet = load(f'{FIND}source = "sqs"\nqueues = ["mails"]\n{TOLD}busy_path = "/work"\nlongest_job = "2m"\n')
    expected = WorkSource(SourceKind.SQS, ("stop", "it"), ("go",), 120.0, ("mails",))
    assert fleet.work.model() == expected
    assert fleet.rollout.policy(work=fleet.work.model()).work == expected


def test_a_fleet_without_that_table_has_no_source(load: Load) -> None:
    assert load(FIND).work.model() is None


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('queues = ["mails"]\n', "work.queues is given, and no source; expected source = sqs, amqp or command"),
        ('source = "command"\nbusy = "busy"\ntake_again = "go"\n', "work.stop_taking is missing"),
        ('source = "command"\nbusy = "busy"\nstop_taking = "stop"\n', "work.take_again is missing"),
        (f'source = "command"\n{TOLD}', "expected exactly one of busy, busy_path and management"),
        (f'source = "command"\n{TOLD}busy = "a"\nbusy_path = "/b"\n', "its like are busy and busy_path"),
        (f'source = "sqs"\n{TOLD}busy = "a"\n', "work.queues is missing"),
        (
            f'source = "sqs"\nqueues = ["q"]\n{TOLD}management = "http://b:15672"\n',
            "is RabbitMQ's, and source is sqs",
        ),
        (f'source = "amqp"\nqueues = ["q"]\n{TOLD}management = "http://b:15672"\n', "expected 6s or longer"),
        (f'source = "kafka"\n{TOLD}', "work.source"),
        (f'source = "command"\n{TOLD}busy = "a"\nlongest_job = "0s"\n', "work.longest_job"),
        (f'source = "command"\n{TOLD}busy_path = "work"\n', "work.busy_path"),
    ],
)
def test_what_does_not_fit_is_one_sentence_with_its_key(load: Load, lines: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        load(FIND + lines)
    assert said in str(refused.value)
    assert "deployer.toml" in str(refused.value)
