"""The door: moto reads the request and writes the answer, the actions here give it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores

from deployer.lab.alarms import alarm_actions, metric_actions
from deployer.lab.alarms.calls import Action, Call
from deployer.lab.alarms.service import Alarms

ACTIONS: Mapping[str, Action] = {**alarm_actions.ACTIONS, **metric_actions.ACTIONS}
"""Every CloudWatch action that the lab answers itself; dashboards, tags and insight rules are moto's."""


def install_actions(alarms: Alarms) -> None:
    """Gives moto's response class our actions: it dispatches by method name."""
    for name, action in ACTIONS.items():
        setattr(CloudWatchResponse, camelcase_to_underscores(name), _method(alarms, action))


def _method(alarms: Alarms, action: Action) -> Callable[[CloudWatchResponse], ActionResult]:
    def answer(response: CloudWatchResponse) -> ActionResult:
        given: dict[str, Any] = dict(response._get_params())
        with alarms.lock:
            return ActionResult(action(Call(alarms, alarms.region(response.region), given)) or {})

    return answer
