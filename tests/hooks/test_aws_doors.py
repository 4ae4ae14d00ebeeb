"""The hooks' doors to AWS, against moto in this process."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from moto import mock_aws

from deployer.aws.hook_doors import CloudFrontEdge, CloudWatchMonitoring, RdsDatabases, S3Bucket, SnsPublisher
from deployer.aws.session import AwsSession, AwsSettings
from deployer.model.errors import AwsError
from deployer.model.outside import AlarmState, MetricQuery, Upload


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsSession]:
    """A session on moto; the user's own endpoint and profile stay out."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield AwsSession(AwsSettings(region="us-east-1"))


def test_a_message_is_published(session: AwsSession) -> None:
    topic = session.sns.create_topic(Name="deploys")["TopicArn"]
    assert SnsPublisher(session).publish(topic, "subject", "text")
    with pytest.raises(AwsError):
        SnsPublisher(session).publish(topic + "x", "subject", "text")


def test_files_are_put_with_their_headers_and_found_again(session: AwsSession, tmp_path: Path) -> None:
    session.s3.create_bucket(Bucket="assets")
    path = tmp_path / "a.js"
    path.write_text("x")
    bucket = S3Bucket(session)
    bucket.put("assets", Upload("s/a.js", path, "text/javascript", "public, max-age=60"))
    assert bucket.keys("assets", "s/") == {"s/a.js"}
    assert bucket.keys("assets", "t/") == frozenset()
    head = session.s3.head_object(Bucket="assets", Key="s/a.js")
    assert (head["ContentType"], head["CacheControl"]) == ("text/javascript", "public, max-age=60")
    with pytest.raises(AwsError, match="assets-of-nobody"):
        bucket.keys("assets-of-nobody", "")


def test_states_of_alarms_are_told_and_one_that_does_not_exist_is_left_out(session: AwsSession) -> None:
    session.cloudwatch.put_metric_alarm(
        AlarmName="errors",
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        MetricName="E",
        Namespace="Shop",
        Period=60,
        Statistic="Sum",
        Threshold=1,
    )
    session.cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="too many")
    found = CloudWatchMonitoring(session).alarms(["errors", "missing"])
    assert dict(found) == {"errors": (AlarmState.ALARM, "too many")}


def test_the_latest_datapoint_is_read_and_no_datapoint_is_none(session: AwsSession) -> None:
    monitoring = CloudWatchMonitoring(session)
    query = MetricQuery("Shop", "E", "Sum", 60, {"Fleet": "web"})
    assert monitoring.value(query) is None
    dimensions = [{"Name": "Fleet", "Value": "web"}]
    session.cloudwatch.put_metric_data(
        Namespace="Shop",
        MetricData=[
            {"MetricName": "E", "Value": 4.0, "Dimensions": dimensions, "Timestamp": datetime.now(UTC)}  # type: ignore[typeddict-item]
        ],
    )
    assert monitoring.value(query) == 4.0


def test_paths_of_a_distribution_are_invalidated(session: AwsSession) -> None:
    bucket = {"Id": "o", "DomainName": "assets.s3.amazonaws.com", "S3OriginConfig": {"OriginAccessIdentity": ""}}
    config = {
        "CallerReference": "r",
        "Comment": "",
        "Enabled": True,
        "Origins": {"Quantity": 1, "Items": [bucket]},
        "DefaultCacheBehavior": {"TargetOriginId": "o", "ViewerProtocolPolicy": "https-only"},
    }
    made = session.cloudfront.create_distribution(DistributionConfig=config)  # type: ignore[arg-type]
    ident = made["Distribution"]["Id"]
    assert CloudFrontEdge(session).invalidate(ident, ("/*",), "run-1")
    listed = session.cloudfront.list_invalidations(DistributionId=ident)["InvalidationList"]
    assert listed["Quantity"] == 1


def test_a_database_is_snapshotted_once_by_name(session: AwsSession) -> None:
    session.rds.create_db_instance(
        DBInstanceIdentifier="shop-db", DBInstanceClass="db.t3.micro", Engine="postgres", AllocatedStorage=20
    )
    databases = RdsDatabases(session)
    for _ in range(2):
        databases.snapshot("shop-db", "deployer-1", {"deployer:fleet": "web"})
    assert databases.snapshot_status("shop-db", "deployer-1") == "available"


def test_a_cluster_is_snapshotted_where_there_is_no_such_instance(session: AwsSession) -> None:
    session.rds.create_db_cluster(
        DBClusterIdentifier="shop", Engine="aurora-postgresql", MasterUsername="u", MasterUserPassword="p4ssword1"
    )
    databases = RdsDatabases(session)
    databases.snapshot("shop", "deployer-2", {})
    assert databases.snapshot_status("shop", "deployer-2") == "available"
    with pytest.raises(AwsError):
        databases.snapshot("nothing", "deployer-3", {})
