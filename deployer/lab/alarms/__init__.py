"""CloudWatch alarms in the lab: moto reads requests, metrics and alarms that evaluate are this package's own.

`records`, `metrics`, `judging`, `expressions`, `composite` and `series` are the rules, without any I/O;
`service` evaluates, `reactions` carries out what alarms do, `balancer_metrics` publishes what the balancers
count, and the `*_actions` are the API.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from deployer.lab.alarms.balancer_metrics import BalancerMetrics
from deployer.lab.alarms.door import install_actions
from deployer.lab.alarms.reactions import tell_topic
from deployer.lab.alarms.service import Alarms
from deployer.lab.balancers.counting import Counts
from deployer.lab.context import LabContext

__all__ = ["Alarms", "install"]


def install(
    context: LabContext,
    counted: Callable[[], Counts] | None = None,
    now: Callable[[], float] = time.time,
) -> Alarms:
    """Puts the lab's CloudWatch in front of moto's; `Alarms.start` begins to evaluate, `Alarms.stop` ends it.

    `counted` is what the balancers have counted since they were asked last; `now` is seconds since the epoch.
    Call it once, before the API takes requests.
    """
    settings = context.settings
    alarms = Alarms(settings.account, settings.region, settings.alarm_scale, now)
    alarms.reactions["sns"] = partial(tell_topic, settings.account)
    if counted is not None:
        alarms.sources.append(BalancerMetrics(counted))
    install_actions(alarms)
    return alarms
