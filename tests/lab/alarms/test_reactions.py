"""What alarms tell SNS topics, through moto's SNS and SQS."""

from __future__ import annotations

import json
from functools import partial

from deployer.lab.alarms.reactions import tell_topic
from tests.lab.alarms.monitored import TOPIC, Watched
from tests.lab.ec2.cloud import client_at


def test_a_topics_subscribers_get_cloudwatchs_message(watched: Watched) -> None:
    url = watched.client.meta.endpoint_url
    sns, sqs = client_at(url, "sns"), client_at(url, "sqs")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    queue = sqs.create_queue(QueueName="alarms")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    watched.alarms.reactions["sns"] = partial(tell_topic, watched.alarms.account)
    watched.alarm(AlarmActions=[topic], AlarmDescription="too many errors")
    watched.minute(9)

    [message] = sqs.receive_message(QueueUrl=queue)["Messages"]
    envelope = json.loads(message["Body"])
    told = json.loads(envelope["Message"])
    assert envelope["Subject"] == 'ALARM: "errors" in eu-west-1'
    assert (told["OldStateValue"], told["NewStateValue"]) == ("INSUFFICIENT_DATA", "ALARM")
    assert (told["AlarmDescription"], told["Trigger"]["MetricName"]) == ("too many errors", "Errors")
    assert watched.history("Action") == [f"Successfully executed action {topic}"]


def test_a_topic_that_does_not_exist_is_a_line_in_the_history(watched: Watched) -> None:
    watched.alarms.reactions["sns"] = partial(tell_topic, watched.alarms.account)
    watched.alarm(AlarmActions=[f"{TOPIC}-gone"])
    assert watched.minute(9) == "ALARM"
    [failed] = watched.history("Action")
    assert failed.startswith(f"Failed to execute action {TOPIC}-gone")
