"""AWS as hooks and gates use it: SNS, S3, CloudFront, CloudWatch and RDS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from deployer.aws.errors import code_of, translated
from deployer.aws.session import AwsSession
from deployer.model.outside import AlarmState, MetricQuery, Upload

_ALARMS_A_CALL = 100
"""DescribeAlarms takes at most 100 names. [CloudWatch API]"""
_NO_INSTANCE = "DBInstanceNotFound"
_THERE_ALREADY = frozenset({"DBSnapshotAlreadyExists", "DBClusterSnapshotAlreadyExistsFault"})


class SnsPublisher:
    """Messages to SNS topics."""

    def __init__(self, session: AwsSession) -> None:
        self._session = session

    def publish(self, topic: str, subject: str, message: str) -> str:
        """Publishes, and returns the message's id. Raises AwsError."""
        with translated(f"publishing to {topic}"):
            answer = self._session.sns.publish(TopicArn=topic, Subject=subject, Message=message)
        return answer["MessageId"]


class S3Bucket:
    """Objects in S3."""

    def __init__(self, session: AwsSession) -> None:
        self._session = session

    def keys(self, bucket: str, prefix: str) -> frozenset[str]:
        """The keys below a prefix. Raises AwsError."""
        with translated(f"listing s3://{bucket}/{prefix}"):
            pages = self._session.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            return frozenset(found["Key"] for page in pages for found in page.get("Contents", []))

    def put(self, bucket: str, upload: Upload) -> None:
        """Writes one object with its headers. Raises AwsError."""
        with translated(f"writing s3://{bucket}/{upload.key}"), upload.path.open("rb") as body:
            self._session.s3.put_object(
                Bucket=bucket,
                Key=upload.key,
                Body=body,
                ContentType=upload.content_type,
                CacheControl=upload.cache_control,
            )


class CloudFrontEdge:
    """CloudFront distributions."""

    def __init__(self, session: AwsSession) -> None:
        self._session = session

    def invalidate(self, distribution: str, paths: Sequence[str], reference: str) -> str:
        """Invalidates paths; the same reference twice is one invalidation. Raises AwsError."""
        batch: Any = {"Paths": {"Quantity": len(paths), "Items": list(paths)}, "CallerReference": reference}
        with translated(f"invalidating {distribution}"):
            answer = self._session.cloudfront.create_invalidation(
                DistributionId=distribution, InvalidationBatch=batch
            )
        return answer["Invalidation"]["Id"]


class CloudWatchMonitoring:
    """Alarms and metrics of CloudWatch."""

    def __init__(self, session: AwsSession) -> None:
        self._session = session

    def alarms(self, names: Sequence[str]) -> Mapping[str, tuple[AlarmState, str]]:
        """State and reason by name, of metric and composite alarms. Raises AwsError."""
        found: dict[str, tuple[AlarmState, str]] = {}
        for start in range(0, len(names), _ALARMS_A_CALL):
            some = list(names[start : start + _ALARMS_A_CALL])
            with translated("describing alarms"):
                answer = self._session.cloudwatch.describe_alarms(
                    AlarmNames=some, AlarmTypes=["MetricAlarm", "CompositeAlarm"], MaxRecords=_ALARMS_A_CALL
                )
            for alarm in [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]:
                found[alarm["AlarmName"]] = (AlarmState(alarm["StateValue"]), alarm.get("StateReason", ""))
        return found

    def value(self, query: MetricQuery) -> float | None:
        """The latest datapoint of the last three periods: CloudWatch gets them with a delay. Raises AwsError."""
        now = datetime.now(UTC)
        statistic: Any = query.statistic
        with translated(f"reading metric {query.metric}"):
            answer = self._session.cloudwatch.get_metric_statistics(
                Namespace=query.namespace,
                MetricName=query.metric,
                Dimensions=[{"Name": name, "Value": value} for name, value in query.dimensions.items()],
                StartTime=now - timedelta(seconds=3 * query.period),
                EndTime=now + timedelta(seconds=query.period),
                Period=query.period,
                Statistics=[statistic],
            )
        points = sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])
        latest: Mapping[str, Any] = points[-1] if points else {}
        return float(latest[query.statistic]) if query.statistic in latest else None


class RdsDatabases:
    """Databases of RDS: instances, and clusters where there is no such instance."""

    def __init__(self, session: AwsSession) -> None:
        self._session = session

    def snapshot(self, database: str, name: str, tags: Mapping[str, str]) -> None:
        """Starts a snapshot; one that is there under that name already is taken as it is. Raises AwsError."""
        listed: Any = [{"Key": key, "Value": value} for key, value in tags.items()]
        rds = self._session.rds
        with translated(f"taking snapshot {name} of {database}"):
            try:
                if self._is_cluster(database):
                    rds.create_db_cluster_snapshot(
                        DBClusterSnapshotIdentifier=name, DBClusterIdentifier=database, Tags=listed
                    )
                else:
                    rds.create_db_snapshot(DBSnapshotIdentifier=name, DBInstanceIdentifier=database, Tags=listed)
            except rds.exceptions.ClientError as error:
                if code_of(error) not in _THERE_ALREADY:
                    raise

    def snapshot_status(self, database: str, name: str) -> str:
        """RDS's word for where a snapshot stands. Raises AwsError."""
        rds = self._session.rds
        with translated(f"looking at snapshot {name}"):
            if self._is_cluster(database):
                found = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=name)
                return found["DBClusterSnapshots"][0]["Status"]
            return rds.describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"][0]["Status"]

    def _is_cluster(self, database: str) -> bool:
        rds = self._session.rds
        try:
            rds.describe_db_instances(DBInstanceIdentifier=database)
        except rds.exceptions.ClientError as error:
            if code_of(error) == _NO_INSTANCE or code_of(error) == f"{_NO_INSTANCE}Fault":
                return True
            raise
        return False
