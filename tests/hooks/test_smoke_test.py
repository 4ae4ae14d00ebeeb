"""`smoke_test` and `warm_up`: what an answer has to be like."""

from __future__ import annotations

import pytest

from deployer.hooks.contract import Ended
from deployer.hooks.smoke_test import SmokeTest, WarmUp
from deployer.model.occasions import Point
from tests.hooks.conftest import Answer, Server, call, doors, place

NEW = {"X-Release": "2"}


@pytest.mark.parametrize(
    ("answer", "settings", "ended", "said"),
    [
        (Answer(headers=NEW, body=b"all well"), {"body": "w.ll"}, Ended.PASSED, "1 answers as expected"),
        (Answer(503, headers=NEW), {}, Ended.FAILED, "answered 503, expected 200"),
        (Answer(headers=NEW, body=b"sorry"), {"body": "well"}, Ended.FAILED, "answered a body without 'well'"),
        (Answer(headers={"X-Release": "1"}), {}, Ended.FAILED, "answered as release 1, expected 2"),
        (Answer(), {"release_header": "X-Release"}, Ended.FAILED, "answered as release None, expected 2"),
        (Answer(), {}, Ended.PASSED, "1 answers as expected"),
        (Answer(headers=NEW, delay=0.4), {"latency": 0.1}, Ended.FAILED, "more than 0.1 s"),
        (Answer(hang_up=True), {}, Ended.ERROR, "does not answer"),
        (Answer(headers=NEW, delay=6), {"latency": 0.1}, Ended.ERROR, "does not answer"),
    ],
    ids=["good", "status", "body", "old release", "no release", "names none", "slow", "hangs up", "hangs"],
)
def test_an_instance_has_to_answer_as_expected(
    server: Server, answer: Answer, settings: dict[str, object], ended: Ended, said: str
) -> None:
    server.answers["*"] = [answer]
    asked = call(Point.BEFORE_ATTACH, instance=place(server.port))
    outcome = SmokeTest(**settings).run(asked, doors())  # type: ignore[arg-type]
    assert outcome.ended is ended
    assert said in outcome.line


def test_through_the_balancer_either_release_may_answer_until_the_whole_fleet_is_new(server: Server) -> None:
    server.answers["*"] = [Answer(headers={"X-Release": "1"})]
    test = SmokeTest(balancer=server.url)
    assert test.run(call(Point.AFTER_STEP), doors()).ended is Ended.PASSED
    assert test.run(call(Point.FINAL_SOAK), doors()).ended is Ended.FAILED


def test_instance_and_balancer_are_both_asked_for_every_path(server: Server) -> None:
    server.answers["*"] = [Answer(headers=NEW)]
    test = SmokeTest(("/", "/cart"), balancer=server.url)
    assert test.run(call(Point.AFTER_ATTACH, instance=place(server.port)), doors()).line == "4 answers as expected"
    assert [asked.path for asked in server.asked] == ["/", "/", "/cart", "/cart"]


def test_a_second_attempt_may_succeed_and_a_point_without_anything_to_ask_is_an_error(server: Server) -> None:
    server.answers["*"] = [Answer(503), Answer(headers=NEW)]
    pauses: list[float] = []
    asked = call(Point.BEFORE_ATTACH, instance=place(server.port))
    assert SmokeTest(attempts=2).run(asked, doors(sleep=pauses.append)).ended is Ended.PASSED
    assert pauses == [1.0]
    assert SmokeTest().run(call(), doors()).ended is Ended.ERROR


@pytest.mark.parametrize("settings", [{"body": "("}, {"balancer": "shop"}, {"paths": ("healthz",)}])
def test_settings_that_cannot_work_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"body|address|paths"):
        SmokeTest(**settings)  # type: ignore[arg-type]


def test_warming_up_asks_every_path_in_every_round(server: Server) -> None:
    asked = call(Point.BEFORE_ATTACH, instance=place(server.port))
    assert WarmUp(("/", "/cart"), rounds=3).run(asked, doors()).ended is Ended.PASSED
    assert len(server.asked) == 6


def test_the_headers_of_the_settings_go_with_every_request(server: Server) -> None:
    server.answers["*"] = [Answer(headers=NEW)]
    asked = call(Point.BEFORE_ATTACH, instance=place(server.port))
    SmokeTest(headers={"Host": "shop.example.com"}).run(asked, doors())
    WarmUp(headers={"Host": "shop.example.com"}, rounds=1).run(asked, doors())
    assert [one.headers["Host"] for one in server.asked] == ["shop.example.com"] * 2


def test_what_stays_slow_or_breaks_while_it_is_warmed_up_fails(server: Server) -> None:
    asked = call(Point.BEFORE_ATTACH, instance=place(server.port), deadline=0.5)
    server.answers["*"] = [Answer(delay=0.3)]
    assert "still slow" in WarmUp(rounds=1, latency=0.1).run(asked, doors()).line
    server.answers["*"] = [Answer(500)]
    assert WarmUp().run(asked, doors()).ended is Ended.FAILED
    server.answers["*"] = [Answer(404)]
    assert WarmUp().run(asked, doors()).ended is Ended.PASSED
    server.answers["*"] = [Answer(delay=5)]
    assert WarmUp().run(asked, doors()).ended is Ended.ERROR
    assert WarmUp().run(call(), doors()).ended is Ended.ERROR
