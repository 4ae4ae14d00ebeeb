"""Auto Scaling in the lab: moto reads requests and keeps launch configurations, everything that lives in time
is this package's own."""

from __future__ import annotations

import time
from collections.abc import Callable

from deployer.lab.alarms import Alarms
from deployer.lab.autoscaling.door import install_actions
from deployer.lab.autoscaling.launching import Launcher
from deployer.lab.autoscaling.pools import LabPools, Pools
from deployer.lab.autoscaling.service import Groups
from deployer.lab.context import LabContext
from deployer.lab.ec2.service import Ec2

__all__ = ["Groups", "install"]


def install(
    context: LabContext,
    ec2: Ec2,
    alarms: Alarms,
    pools: Pools | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Groups:
    """Puts the lab's groups in front of moto's and begins to look after them; `Groups.stop` ends that.

    `ec2` makes the instances, `alarms` set policies going; `pools` are the balancers that groups may be attached
    to, the lab's own unless given. Call it after the EC2 and balancer services are installed.
    """
    settings = context.settings
    groups = Groups(settings.account, settings.region, Launcher(ec2), pools or LabPools(context), alarms, clock)
    alarms.reactions["autoscaling"] = groups.on_alarm
    install_actions(groups)
    groups.start(context.instances)
    return groups
