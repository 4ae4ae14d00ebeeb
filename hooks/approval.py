"""`approval`: somebody has to say yes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from deployer.hooks.contract import HookCall, Judgement, judged
from deployer.hooks.doors import Doors
from deployer.model.occasions import Verdict


@dataclass(frozen=True)
class Approval:
    """Waits for `deployer approve`, or for a `deployer resume --approve` after it has waited until its deadline.

    When nobody has approved by the gate's deadline, the rollout is brought to rest and exits with 6, open.
    `question` is what is asked.
    """

    takes_approval: ClassVar[bool] = True

    question: str = "go on?"

    def judge(self, call: HookCall, doors: Doors) -> Judgement:  # noqa: ARG002 - people need no doors
        """See `Gate`."""
        if call.approved_by:
            return judged(Verdict.PASS, f"approved by {call.approved_by}")
        where = call.step or call.point.value
        return judged(Verdict.PENDING, f"{self.question} (`deployer approve`, or `deployer abort`; at {where})")
