"""Those who want the fleet, and the clocks they go by."""

from __future__ import annotations

from dataclasses import dataclass, replace

from botocore.exceptions import BotoCoreError, ClientError

from deployer.state.owner import Owner

AWS = {"region_name": "eu-west-1", "aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
ERRORS = (ClientError, BotoCoreError)


@dataclass
class HandClock:
    """A clock that moves when it is told to, or slept on."""

    time: float = 1000.0
    epoch: float = 1_700_000_000.0

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return self.epoch + self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class Living:
    """The processes of a test: all live until they are said to be dead."""

    def __init__(self) -> None:
        self.dead: set[Owner] = set()

    def __call__(self, owner: Owner) -> bool:
        return owner in self.dead


ANN = Owner("ann", "laptop", "boot-1/pid:[1]", 11, "100")
BOB = Owner("bob", "runner", "boot-2/pid:[1]", 22, "200", job="https://ci.example/job/7")


def other_process(owner: Owner) -> Owner:
    """The same user on the same host, a later process."""
    return replace(owner, pid=owner.pid + 1, started=owner.started + "0")
