"""CodeDeploy in the lab: moto keeps applications, deployments run on the lab's own instances.

`health` and `order` are the rules, `records` and `catalogue` what is known, `wave`, `work` and `run` carry a
deployment out with the `agent` on each instance and its `traffic`, `service` starts and rolls back, `actions`
is the API.
"""

from __future__ import annotations

from collections.abc import Callable

from moto.codedeploy.models import codedeploy_backends
from moto.codedeploy.responses import CodeDeployResponse

from deployer.lab.codedeploy.actions import install_actions
from deployer.lab.codedeploy.service import CodeDeploy
from deployer.lab.context import LabContext

__all__ = ["CodeDeploy", "install"]


def install(
    context: LabContext, terminate: Callable[[str], object], rings: Callable[[str, str], bool]
) -> CodeDeploy:
    """Puts the lab's CodeDeploy behind moto's API in this process.

    `terminate` ends an instance by its id; `rings` says whether the alarm of a region and name is in ALARM.

    Once a process, before the API takes requests. `CodeDeploy.close` ends its connections.
    """
    service = CodeDeploy(context, terminate, rings)
    codedeploy_backends.clear()
    install_actions(service, CodeDeployResponse)
    return service
