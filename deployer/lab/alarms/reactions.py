"""What an alarm does when it enters a state, beside scaling: it tells an SNS topic."""

from __future__ import annotations

import json

from moto.sns.models import sns_backends

from deployer.lab.alarms.records import Transition


def tell_topic(account: str, arn: str, transition: Transition) -> None:
    """Publishes CloudWatch's message to a topic, which moto hands on. Raises moto's ServiceException."""
    alarm, region = transition.alarm, arn.split(":")[3]
    watched = alarm.watch.judged.metric if alarm.watch is not None else None
    message = {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.settings.get("AlarmDescription"),
        "AWSAccountId": account,
        "AlarmArn": alarm.arn,
        "OldStateValue": transition.before.value,
        "NewStateValue": transition.state.value,
        "NewStateReason": transition.reason,
        "StateChangeTime": f"{transition.at:%Y-%m-%dT%H:%M:%S.%f}+0000",
        "Region": region,
        "Trigger": {
            **(watched.wire if watched is not None else {}),
            "Period": alarm.watch.period if alarm.watch is not None else None,
            "Threshold": transition.threshold,
        },
    }
    subject = f'{transition.state.value}: "{alarm.name}" in {region}'[:100]
    sns_backends[account][region].publish(message=json.dumps(message), arn=arn, subject=subject)
