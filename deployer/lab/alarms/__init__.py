"""CloudWatch alarms in the lab: moto reads requests, metrics and alarms that evaluate are this package's own.

`records`, `metrics`, `judging`, `expressions`, `composite` and `series` are the rules, without any I/O;
`service` evaluates, `reactions` carries out what alarms do, `traffic` publishes what the balancers count, and
the `*_actions` are the API.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from deployer.lab.alarms.door import install_actions
from deployer.lab.alarms.service import Alarms
from deployer.lab.context import LabContext

__all__ = ["Alarms", "install"]


def install(context: LabContext, now: Callable[[], float] = time.time) -> Alarms:
    """Puts the lab's CloudWatch in front of moto's; `Alarms.start` begins to evaluate, `Alarms.stop` ends it.

    `now` is seconds since the epoch. Call it once, before the API takes requests.
    """
    settings = context.settings
    alarms = Alarms(settings.account, settings.region, settings.alarm_scale, now)
    install_actions(alarms)
    return alarms
