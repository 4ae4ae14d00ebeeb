"""Where the load goes: only to a lab, and only when it is clear which balancer is meant."""

from __future__ import annotations

import pytest

from deployer.lab.load.endpoint import NoAnswer, find_endpoint, parse_target, wait_until_it_answers
from deployer.lab.load.generator import Target
from deployer.model.errors import UsageError


def test_an_address_has_a_host_and_a_port() -> None:
    assert parse_target("127.65.255.1:8080") == Target("127.65.255.1", 8080)


@pytest.mark.parametrize("text", ["", "127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:0", "127.0.0.1:65536", "a:b"])
def test_anything_else_is_a_usage_error_that_shows_what_was_found(text: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT") as refusal:
        parse_target(text)
    assert repr(text) in str(refusal.value)


@pytest.mark.parametrize("url", ["", "https://ec2.eu-west-1.amazonaws.com", "http://10.0.0.1:4566"])
def test_load_is_never_aimed_at_what_is_not_a_lab(url: str) -> None:
    with pytest.raises(UsageError, match=r"no(t a)? lab.*lab up.*--target"):
        find_endpoint({"AWS_ENDPOINT_URL": url})


class Patience:
    """A clock that only its own sleeps move, and a balancer that gives its answers one after the other."""

    def __init__(self, *answers: str) -> None:
        self.now = 0.0
        self.answers = list(answers)

    def ask(self, _: Target) -> str:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def wait(self, seconds: float) -> None:
        wait_until_it_answers(Target("127.0.0.1", 1), seconds, self.ask, self.sleep, lambda: self.now)


def test_the_load_waits_for_the_first_good_answer() -> None:
    patience = Patience("refused", "HTTP 503", "HTTP 200")
    patience.wait(10)
    assert 0 < patience.now < 1


def test_it_gives_up_in_time_and_says_what_came_last() -> None:
    with pytest.raises(NoAnswer, match=r"within 10 s; last: HTTP 503"):
        Patience("refused", "HTTP 503").wait(10)
