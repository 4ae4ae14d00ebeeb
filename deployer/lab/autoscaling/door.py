"""The door: moto reads the request and writes the answer, the actions here give it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores

from deployer.lab.autoscaling import (
    group_actions,
    hook_actions,
    member_actions,
    monitoring_actions,
    policy_actions,
    scaling_actions,
)
from deployer.lab.autoscaling.calls import Action, Call
from deployer.lab.autoscaling.service import Groups

ACTIONS: Mapping[str, Action] = {
    **group_actions.ACTIONS,
    **hook_actions.ACTIONS,
    **member_actions.ACTIONS,
    **monitoring_actions.ACTIONS,
    **policy_actions.ACTIONS,
    **scaling_actions.ACTIONS,
}
"""Every Auto Scaling action that the lab answers itself, by its name in the API."""


def install_actions(groups: Groups) -> None:
    """Gives moto's response class our actions: it dispatches by method name."""
    for name, action in ACTIONS.items():
        setattr(AutoScalingResponse, camelcase_to_underscores(name), _method(groups, action))


def _method(groups: Groups, action: Action) -> Callable[[AutoScalingResponse], ActionResult]:
    def answer(response: AutoScalingResponse) -> ActionResult:
        given: dict[str, Any] = dict(response._get_params())
        with groups.lock:
            return ActionResult(action(Call(groups, given)))

    return answer
