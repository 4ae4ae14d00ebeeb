"""Application load balancers, as the API and their clients see them."""

from __future__ import annotations

import time

import pytest

from deployer.lab.context import Power
from tests.lab.balancers.conftest import Answer, Lab, get, in_flight, wait_until

pytestmark = pytest.mark.lab


def health_of(lab: Lab, group: str, index: int = 0) -> tuple[str, str | None, str | None]:
    health = lab.health(group)[index]["TargetHealth"]
    return health["State"], health.get("Reason"), health.get("Description")


def test_requests_reach_all_healthy_targets_with_the_clients_address(lab: Lab) -> None:
    group = lab.group("web")
    url = lab.front("web", group)
    one, two = lab.instance("a"), lab.instance("b")
    lab.in_service(group, one, two)
    wait_until(lambda: {get(url).served_by for _ in range(4)} == {one.id, two.id})
    assert one.application.forwarded_for


def test_a_balancer_without_targets_answers_503(lab: Lab) -> None:
    url = lab.front("web", lab.group("web"))
    answer = get(url)
    assert answer.status == 503
    assert "503 Service Temporarily Unavailable" in answer.body


def test_a_new_target_is_initial_and_gets_no_requests_before_it_is_registered(lab: Lab) -> None:
    group = lab.group("web")
    lab.front("web", group)
    one = lab.instance()
    lab.register(group, one)
    assert health_of(lab, group)[:2] == ("initial", "Elb.RegistrationInProgress")
    assert one.application.served == 0
    wait_until(lambda: health_of(lab, group) == ("healthy", None, None))


def test_one_passing_check_makes_a_new_target_healthy_whatever_the_threshold(lab: Lab) -> None:
    group = lab.group("web", HealthyThresholdCount=10)
    lab.front("web", group)
    one = lab.instance()
    lab.in_service(group, one)
    assert one.application.checked < 10


def test_an_unhealthy_target_needs_the_healthy_threshold_again(lab: Lab) -> None:
    group = lab.group("web", HealthyThresholdCount=3)
    lab.front("web", group)
    one = lab.instance()
    one.application.health = 503
    lab.register(group, one)
    wait_until(lambda: health_of(lab, group)[0] == "unhealthy")
    assert health_of(lab, group) == (
        "unhealthy",
        "Target.ResponseCodeMismatch",
        "Health checks failed with these codes: [503]",
    )
    begun = time.monotonic()
    one.application.health = 200
    wait_until(lambda: health_of(lab, group)[0] == "healthy")
    assert time.monotonic() - begun > 1.5, "three passes are two intervals of a second apart"


def test_a_refused_health_check_reads_failed_health_checks(lab: Lab) -> None:
    group = lab.group("web")
    lab.front("web", group)
    one = lab.instance()
    lab.in_service(group, one)
    lab.applications.kill(one.application)
    wait_until(lambda: health_of(lab, group)[0] == "unhealthy")
    assert health_of(lab, group)[1:] == ("Target.FailedHealthChecks", "Health checks failed")


def test_a_slow_health_check_reads_timeout(lab: Lab) -> None:
    group = lab.group("web", HealthCheckPath="/silent")
    lab.front("web", group)
    lab.register(group, lab.instance())
    wait_until(lambda: health_of(lab, group)[0] == "unhealthy")
    assert health_of(lab, group)[1:] == ("Target.Timeout", "Request timed out")


def test_the_matcher_says_which_codes_are_healthy(lab: Lab) -> None:
    group = lab.group("web", Matcher={"HttpCode": "200-299,404"})
    lab.front("web", group)
    one = lab.instance()
    one.application.health = 404
    lab.in_service(group, one)
    one.application.health = 301
    wait_until(lambda: health_of(lab, group)[1] == "Target.ResponseCodeMismatch")


def test_health_is_checked_on_the_port_that_the_group_names(lab: Lab) -> None:
    group = lab.group("web", HealthCheckPort="9090")
    lab.front("web", group)
    one = lab.instance(ports=(9090, 8080))
    lab.in_service(group, one)
    assert lab.health(group)[0]["HealthCheckPort"] == "9090"
    assert lab.health(group)[0]["Target"]["Port"] == 8080


def test_a_group_without_listener_is_unused(lab: Lab) -> None:
    group = lab.group("web")
    lab.register(group, lab.instance())
    assert health_of(lab, group) == (
        "unused",
        "Target.NotInUse",
        "Target group is not configured to receive traffic from the load balancer",
    )


def test_a_target_in_a_zone_without_balancer_stays_unused(lab: Lab) -> None:
    group = lab.group("web")
    url = lab.front("web", group)
    lab.register(group, lab.instance("c"))
    time.sleep(1.5)
    assert health_of(lab, group) == (
        "unused",
        "Target.NotInUse",
        "Target is in an Availability Zone that is not enabled for the load balancer",
    )
    assert get(url).status == 503


@pytest.mark.parametrize(("power", "text"), [(Power.STOPPED, "stopped"), (Power.TERMINATED, "terminated")])
def test_a_target_whose_instance_is_gone_is_unused(lab: Lab, power: Power, text: str) -> None:
    group = lab.group("web")
    lab.front("web", group)
    one = lab.instance()
    lab.in_service(group, one)
    lab.directory.power(one.id, power)
    expected = ("unused", "Target.InvalidState", f"Target is in the {text} state")
    wait_until(lambda: health_of(lab, group) == expected)


def test_a_restarted_instance_is_checked_anew(lab: Lab) -> None:
    group = lab.group("web")
    lab.front("web", group)
    one = lab.instance()
    lab.in_service(group, one)
    lab.directory.power(one.id, Power.STOPPED)
    wait_until(lambda: health_of(lab, group)[0] == "unused")
    lab.directory.power(one.id, Power.RUNNING)
    wait_until(lambda: health_of(lab, group)[0] == "initial", 5)
    wait_until(lambda: health_of(lab, group)[0] == "healthy")


def test_an_unregistered_target_is_described_as_not_registered(lab: Lab) -> None:
    group = lab.group("web")
    health = lab.health(group, lab.instance())[0]["TargetHealth"]
    assert (health["State"], health["Reason"]) == ("unused", "Target.NotRegistered")
    assert lab.health(group) == []


def test_without_health_checks_a_target_is_unavailable_and_served(lab: Lab) -> None:
    group = lab.group("web")
    lab.elbv2.modify_target_group(TargetGroupArn=group, HealthCheckEnabled=False)
    url = lab.front("web", group)
    one = lab.instance()
    lab.register(group, one)
    wait_until(lambda: health_of(lab, group)[:2] == ("unavailable", "Target.HealthCheckDisabled"))
    wait_until(lambda: get(url).served_by == one.id)


def test_draining_is_shown_for_the_whole_delay_even_for_an_idle_target(lab: Lab) -> None:
    group = lab.group("web")
    lab.front("web", group)
    one = lab.instance()
    lab.in_service(group, one)
    begun = time.monotonic()
    lab.deregister(group, one)
    assert health_of(lab, group) == (
        "draining",
        "Target.DeregistrationInProgress",
        "Target deregistration is in progress",
    )
    wait_until(lambda: lab.health(group) == [])
    assert time.monotonic() - begun > 3.9


def test_a_deregistered_target_still_gets_requests_for_the_lag(lab: Lab) -> None:
    group = lab.group("web")
    url = lab.front("web", group)
    one = lab.instance()
    lab.in_service(group, one)
    lab.deregister(group, one)
    assert get(url).served_by == one.id, "the balancer has not heard of it yet"
    wait_until(lambda: get(url).status == 503, 10)
    assert lab.states(group) == ["draining"], "only draining targets: 503"


def test_a_request_in_flight_finishes_while_its_target_drains(lab: Lab) -> None:
    group = lab.group("web")
    url = lab.front("web", group)
    one = lab.instance()
    lab.in_service(group, one)
    answer = in_flight(url, one, 3)
    lab.deregister(group, one)
    assert answer.result() == Answer(200, one.id, one.id)


def test_a_request_in_flight_is_cut_with_502_when_the_delay_runs_out(lab: Lab) -> None:
    group = lab.group("web")
    url = lab.front("web", group)
    one = lab.instance()
    lab.in_service(group, one)
    answer = in_flight(url, one, 30)
    lab.deregister(group, one)
    assert answer.result().status == 502


def test_a_drained_target_is_left_without_connections_before_the_delay_is_over(lab: Lab) -> None:
    group = lab.group("web")
    lab.attributes(group, **{"deregistration_delay.timeout_seconds": "300"})
    url = lab.front("web", group)
    one = lab.instance()
    lab.in_service(group, one)
    assert get(url).served_by == one.id
    assert one.application.connections > 0, "the balancer keeps its connection for the next request"
    lab.deregister(group, one)
    wait_until(lambda: one.application.connections == 0, 15)
    assert lab.states(group) == ["draining"]


def test_registering_again_cancels_the_draining(lab: Lab) -> None:
    group = lab.group("web")
    url = lab.front("web", group)
    one = lab.instance()
    lab.in_service(group, one)
    lab.deregister(group, one)
    assert lab.states(group) == ["draining"]
    lab.register(group, one)
    assert lab.states(group) == ["initial"]
    wait_until(lambda: lab.states(group) == ["healthy"])
    time.sleep(5)
    assert lab.states(group) == ["healthy"], "the old deregistration is forgotten"
    assert get(url).served_by == one.id


def test_deregistering_an_absent_target_succeeds(lab: Lab) -> None:
    group = lab.group("web")
    lab.deregister(group, lab.instance())
    assert lab.health(group) == []


def test_one_instance_on_two_ports_is_two_targets(lab: Lab) -> None:
    group = lab.group("web")
    lab.front("web", group)
    one = lab.instance(ports=(8080, 8081))
    lab.register(group, one)
    lab.register(group, one, port=8081)
    wait_until(lambda: lab.states(group) == ["healthy", "healthy"])
    lab.deregister(group, one)
    ports = {entry["Target"]["Port"]: entry["TargetHealth"]["State"] for entry in lab.health(group)}
    assert ports == {8080: "draining", 8081: "healthy"}
    lab.deregister(group, one, port=8081)
    assert set(lab.states(group)) == {"draining"}


def test_all_targets_get_traffic_when_none_is_healthy(lab: Lab) -> None:
    group = lab.group("web")
    url = lab.front("web", group)
    one, two = lab.instance(), lab.instance("b")
    lab.in_service(group, one, two)
    for instance in (one, two):
        instance.application.health = 500
    wait_until(lambda: set(lab.states(group)) == {"unhealthy"})
    wait_until(lambda: {get(url).served_by for _ in range(4)} == {one.id, two.id})


def test_an_unhealthy_target_gets_nothing_while_enough_others_are_healthy(lab: Lab) -> None:
    group = lab.group("web")
    url = lab.front("web", group)
    one, two = lab.instance(), lab.instance("b")
    lab.in_service(group, one, two)
    one.application.health = 500
    wait_until(lambda: "unhealthy" in lab.states(group))
    wait_until(lambda: {get(url).served_by for _ in range(10)} == {two.id})


def test_failing_open_begins_under_the_minimum_of_healthy_targets(lab: Lab) -> None:
    group = lab.group("web")
    prefix = "target_group_health.unhealthy_state_routing.minimum_healthy_targets."
    lab.attributes(group, **{prefix + "count": "2"})
    url = lab.front("web", group)
    one, two = lab.instance(), lab.instance("b")
    lab.in_service(group, one, two)
    one.application.health = 500
    wait_until(lambda: "unhealthy" in lab.states(group))
    wait_until(lambda: {get(url).served_by for _ in range(4)} == {one.id, two.id})


def test_a_killed_target_shows_as_502_until_its_health_checks_fail(lab: Lab) -> None:
    group = lab.group("web")
    url = lab.front("web", group)
    one, two = lab.instance(), lab.instance("b")
    lab.in_service(group, one, two)
    lab.applications.kill(one.application)
    assert {get(url).status for _ in range(4)} == {200, 502}
    wait_until(lambda: {get(url).status for _ in range(6)} == {200})


def test_a_connection_broken_before_the_answer_is_502(lab: Lab) -> None:
    group = lab.group("web")
    url = lab.front("web", group)
    one = lab.instance()
    lab.in_service(group, one)
    answer = in_flight(url, one, 20)
    lab.applications.kill(one.application)
    assert answer.result().status == 502


def test_a_target_that_stays_silent_for_the_idle_timeout_is_504(lab: Lab) -> None:
    group = lab.group("web")
    url = lab.front("web", group)
    balancer = lab.elbv2.describe_load_balancers(Names=["web"])["LoadBalancers"][0]["LoadBalancerArn"]
    attribute = {"Key": "idle_timeout.timeout_seconds", "Value": "1"}
    lab.elbv2.modify_load_balancer_attributes(LoadBalancerArn=balancer, Attributes=[attribute])
    lab.in_service(group, lab.instance())
    assert get(url + "/silent").status == 504
