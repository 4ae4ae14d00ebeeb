"""What plan and doctor say of the ports that balancers send to, and of hosts that show no connections there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deployer.config.rollout import RolloutSettings
from deployer.config.settings import FindSettings, FleetSettings
from deployer.engine.ports import Sighting
from deployer.engine.reports import Diagnosis
from deployer.model.fleet import Balancer, BalancerKind, Target, TargetState
from deployer.model.hosts import Counted
from deployer.rollout.connections import Shown, datagrams, elsewhere, unseen, unused_lame_duck
from deployer.view.past import diagnosis_lines
from tests.builders import instance

WEB = Balancer("tg/web", "web", BalancerKind.ALB, 8080, deregistration_delay=120.0)
ALT = Balancer("tg/alt", "alt", BalancerKind.ALB, 9080, deregistration_delay=300.0)


def sighting(*ports: int, at: Balancer = WEB) -> Sighting:
    target = Target(TargetState.HEALTHY, ports=ports)
    return Sighting((instance("i-1"), instance("i-2")), {at.id: {"i-1": target, "i-2": target}})


def test_balancers_that_send_to_the_health_port_alone_are_not_worth_a_word() -> None:
    assert list(elsewhere((WEB,), sighting(), 8080)) == []


def test_a_balancer_that_sends_to_another_port_is_named_with_that_port() -> None:
    (said,) = elsewhere((WEB, ALT), sighting(at=ALT), 8080)

    assert said.startswith("alt sends to port 9080 of the instances, and health.port is 8080:")


def test_ports_of_the_registrations_own_are_named() -> None:
    (said,) = elsewhere((WEB,), sighting(9081, 9082), 8080)

    assert said.startswith("web sends to port 9081 and 9082 of the instances")


def test_a_balancer_of_datagrams_makes_every_drain_last_the_whole_delay() -> None:
    dns = Balancer("tg/dns", "dns", BalancerKind.NLB, 53, deregistration_delay=60.0, datagrams=True)

    assert list(datagrams((WEB,))) == []
    (said,) = datagrams((WEB, dns))
    assert said.startswith("dns passes on UDP or QUIC")
    assert said.endswith("the whole deregistration delay of 60 s")


def test_a_lame_duck_of_a_fleet_behind_no_balancer_is_said_not_to_be_run() -> None:
    rollout = RolloutSettings(lame_duck=("quack",))
    fleet = FleetSettings("web", FindSettings(asg="w"), Path("deployer.toml"), rollout=rollout)

    assert list(unused_lame_duck(fleet, (WEB,))) == []
    (said,) = unused_lame_duck(fleet, ())
    assert said.startswith("lame_duck is not run: fleet web is behind no balancer")
    assert "stop_taking and take_again in [fleet.web.work]" in said


def told(**shown: frozenset[int]) -> Mapping[str, Counted]:
    return {
        name.replace("_", "-"): Counted(name.replace("_", "-"), 0, 1.0, shown=ports)
        for name, ports in shown.items()
    }


def test_hosts_that_show_no_connection_on_a_port_are_named_with_the_port_and_what_it_costs() -> None:
    both = frozenset({8080, 9080})
    shown = Shown({"i-1": both, "i-2": both, "i-3": both}, told(i_1=both, i_2=frozenset({8080})))

    (said,) = unseen((WEB, ALT), shown)

    assert said.startswith("1 of 3 hosts showed no connection on port 9080 (i-2)")
    assert said.endswith("a drain of them lasts the whole deregistration delay of 300 s")
    assert list(shown.closed()) == ["i-3"], "one that says nothing is another matter"


def test_doctor_notes_what_nobody_has_to_act_on_and_is_content() -> None:
    found = Diagnosis("web", (), (), remarks=("alt sends to port 9080",))

    assert found.healthy
    assert diagnosis_lines(found) == [
        "fleet web: nothing is wrong, and nothing was left behind",
        "note: alt sends to port 9080",
    ]
