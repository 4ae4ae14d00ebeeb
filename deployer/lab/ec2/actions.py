"""The door: moto reads the request, the actions here answer it, and moto answers the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.utils import get_service_model
from moto.ec2.models import ec2_backends
from moto.ec2.responses import EC2Response

from deployer.lab.ec2 import (
    attributes,
    baking,
    images,
    instances,
    launch,
    launch_templates,
    snapshots,
    switching,
    tags,
    volumes,
)
from deployer.lab.ec2.calls import Action, Call
from deployer.lab.ec2.errors import ApiError
from deployer.lab.ec2.service import Ec2
from deployer.lab.ec2.wire import ShapeWriters, answer, error_answer, new_request_id

logger = logging.getLogger(__name__)

Response = tuple[int, dict[str, str], str]

ACTIONS: Mapping[str, Action] = {
    **attributes.ACTIONS,
    **baking.ACTIONS,
    **images.ACTIONS,
    **instances.ACTIONS,
    **launch.ACTIONS,
    **launch_templates.ACTIONS,
    **snapshots.ACTIONS,
    **switching.ACTIONS,
    **tags.ACTIONS,
    **volumes.ACTIONS,
}
"""Every EC2 action that the lab answers itself, by its name in the API."""

_moto_call_action: Callable[[EC2Response], Any] = EC2Response.call_action


class Door:
    """Answers the actions of `ACTIONS` for one lab."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._writers = ShapeWriters()

    def answer(self, name: str, account: str, region: str, params: Mapping[str, Any]) -> Response:
        """Runs one action and writes its answer, or its error."""
        request_id = new_request_id()
        headers = {"content-type": "text/xml;charset=UTF-8", "x-amzn-requestid": request_id}
        try:
            if str(params.get("DryRun")).lower() == "true":
                raise ApiError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
            moto = ec2_backends[account][region]
            result = ACTIONS[name](Call(self._ec2, self._ec2.region(region), account, params, moto))
            return 200, headers, answer(name, self._inside(name, result), request_id)
        except ApiError as problem:
            return problem.status, headers, error_answer(problem.code, problem.message, request_id)
        except ServiceException as problem:
            return 400, headers, error_answer(problem.code, problem.message, request_id)
        except Exception as problem:
            logger.exception("the lab's EC2 service failed in %s", name)
            message = f"The lab failed in {name}: {type(problem).__name__}: {problem}"
            return 500, headers, error_answer("InternalError", message, request_id)

    def _inside(self, name: str, result: Mapping[str, Any] | None) -> str:
        if result is None:
            return "<return>true</return>"
        shape = get_service_model("ec2").operation_model(name).output_shape
        return self._writers.writer(shape)(result)


def install_actions(ec2: Ec2) -> None:
    """Puts the door in front of moto's: moto's `call_action` answers what `ACTIONS` does not name."""
    door = Door(ec2)

    def call_action(self: EC2Response) -> Any:
        name = self._get_action()
        if name not in ACTIONS:
            return _moto_call_action(self)
        return door.answer(name, self.current_account, self.region, self.params)

    EC2Response.call_action = call_action  # type: ignore[method-assign, assignment]
