"""Asks every instance of a fleet once what it serves, before anything is planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deployer.engine.ports import Clock, Hosts
from deployer.model.fleet import Instance, InstanceState
from deployer.model.hosts import Answered, Ask, Count, Counted, CountRequests, Host, Requests
from deployer.model.observation import Answer

PATIENCE = 30.0
"""Seconds after which those that have not answered are taken to be silent."""


def ask_all(hosts: Hosts, instances: Sequence[Instance], clock: Clock) -> Mapping[str, Answer]:
    """The answers by instance id; one that cannot be asked, or does not answer in time, is not among them."""
    asked = {one.id: Ask(Host.of(one)) for one in instances if one.state is InstanceState.RUNNING and one.address}
    for task in asked.values():
        hosts.submit(task)
    answers: dict[str, Answer] = {}
    end = clock.now() + PATIENCE
    while len(answers) < len(asked) and clock.now() < end:
        for report in hosts.reports():
            if isinstance(report, Answered):
                answers[report.instance] = report.answer
        if len(answers) < len(asked):
            clock.sleep(0.05)
    return answers


def count_all(
    hosts: Hosts, instances: Sequence[Instance], ports: Mapping[str, frozenset[int]], clock: Clock
) -> Mapping[str, Counted]:
    """What each host tells of its connections on its ports; those that are silent for long are not there."""
    left = {one.id for one in instances if one.state is InstanceState.RUNNING}
    for one in instances:
        if one.id in left:
            there = tuple(sorted(ports[one.id]))
            hosts.submit(Count(Host.of(one), there, there))
    found: dict[str, Counted] = {}
    end = clock.now() + PATIENCE
    while left - found.keys() and clock.now() < end:
        for report in hosts.reports():
            if isinstance(report, Counted):
                found[report.instance] = report
        if left - found.keys():
            clock.sleep(0.05)
    return found


def uncounted_requests(hosts: Hosts, instances: Sequence[Instance], clock: Clock) -> Mapping[str, str]:
    """Those whose answered requests nobody can count, and why."""
    asked = {one.id: Host(one.id, one.address, one.zone) for one in instances if one.state is InstanceState.RUNNING}
    for host in asked.values():
        hosts.submit(CountRequests(host))
    why = dict.fromkeys(asked, f"no answer within {PATIENCE:.0f} s")
    left, end = set(asked), clock.now() + PATIENCE
    while left and clock.now() < end:
        for report in hosts.reports():
            if isinstance(report, Requests) and report.instance in left:
                left.discard(report.instance)
                why[report.instance] = report.detail if report.total is None else ""
        if left:
            clock.sleep(0.05)
    return {ident: reason for ident, reason in why.items() if reason}
