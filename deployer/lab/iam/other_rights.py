"""Which rights the calls of the smaller services need (Service Authorization Reference)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from deployer.lab.iam.call import Call
from deployer.lab.iam.policy import Asked

Rights = Callable[[Call], Iterator[Asked]]


def of_codedeploy(call: Call) -> Iterator[Asked]:
    """Applications, groups and configurations by name; what is about single deployments is on `*`."""
    application = str(call.parameters.get("applicationName") or "")
    group = call.parameters.get("deploymentGroupName") or call.parameters.get("currentDeploymentGroupName")
    configuration = call.parameters.get("deploymentConfigName")
    match call.operation:
        case "CreateDeploymentConfig" | "GetDeploymentConfig" | "DeleteDeploymentConfig":
            yield call.asks(call.arn(f"deploymentconfig:{configuration}"))
        case "GetDeployment":
            found = call.world.deployment_group(str(call.parameters.get("deploymentId") or ""))
            yield call.asks(call.arn(f"deploymentgroup:{found or '*'}"))
        case _ if group:
            yield call.asks(call.arn(f"deploymentgroup:{application}/{group}"))
        case _ if application:
            yield call.asks(call.arn(f"application:{application}"))
        case _:
            yield call.asks()
    role = call.parameters.get("serviceRoleArn")
    if role:
        yield call.asks(str(role), {"iam:passedtoservice": ("codedeploy.amazonaws.com",)}, action="iam:PassRole")


def of_dynamodb(call: Call) -> Iterator[Asked]:
    """On the table."""
    table = str(call.parameters.get("TableName") or "")
    yield call.asks(table if table.startswith("arn:") else call.arn(f"table/{table}") if table else "*")


def of_sns(call: Call) -> Iterator[Asked]:
    """On the topic."""
    yield call.asks(str(call.parameters.get("TopicArn") or call.parameters.get("TargetArn") or "*"))


def of_sqs(call: Call) -> Iterator[Asked]:
    """On the queue, which its URL ends with."""
    queue = str(call.parameters.get("QueueUrl") or call.parameters.get("QueueName") or "").rpartition("/")[2]
    yield call.asks(call.arn(queue) if queue else "*")


def of_alarms(call: Call) -> Iterator[Asked]:
    """CloudWatch: alarms by name, metrics on `*`."""
    names = call.texts("AlarmNames") or call.texts("AlarmName")
    if not call.operation.endswith(("Alarms", "Alarm", "AlarmState", "AlarmActions")):
        yield call.asks()
        return
    for name in names or ["*"]:
        yield call.asks(call.arn(f"alarm:{name}"))


def of_databases(call: Call) -> Iterator[Asked]:
    """RDS: databases, clusters and their snapshots by name; tags by the ARN that they are for."""
    if call.parameters.get("ResourceName"):
        yield call.asks(str(call.parameters["ResourceName"]))
        return
    kinds = {
        "DBInstanceIdentifier": "db",
        "DBSnapshotIdentifier": "snapshot",
        "DBClusterIdentifier": "cluster",
        "DBClusterSnapshotIdentifier": "cluster-snapshot",
    }
    named = [call.arn(f"{kind}:{one}") for name, kind in kinds.items() for one in call.texts(name)]
    looked_at = {"DBInstances": "db", "DBSnapshots": "snapshot", "DBClusters": "cluster"}
    kind = looked_at.get(call.operation.removeprefix("Describe"), "cluster-snapshot")
    for arn in named or [call.arn(f"{kind}:*")]:
        yield call.asks(arn)


def of_iam(call: Call) -> Iterator[Asked]:
    """Users, roles and instance profiles by name. IAM has no region."""
    kinds = {"UserName": "user", "RoleName": "role", "InstanceProfileName": "instance-profile"}
    here = f"arn:aws:iam::{call.account}"
    named = [f"{here}:{kind}/{one}" for name, kind in kinds.items() for one in call.texts(name)]
    for arn in named[:1] or ["*"]:
        yield call.asks(arn)


def of_sts(call: Call) -> Iterator[Asked]:
    """A role; who one is may be asked by anybody (STS API reference, GetCallerIdentity)."""
    if call.operation not in {"GetCallerIdentity", "AssumeRoleWithWebIdentity"}:
        yield call.asks(str(call.parameters.get("RoleArn") or "*"))


def of_parameters(call: Call) -> Iterator[Asked]:
    """Systems Manager's parameters by name."""
    for name in call.texts("Names") or call.texts("Name") or ["*"]:
        yield call.asks("*" if name == "*" else call.arn(f"parameter/{name.lstrip('/')}"))


def of_secrets(call: Call) -> Iterator[Asked]:
    """A secret by its ARN, or by its name with the six characters that AWS puts behind it."""
    secret = str(call.parameters.get("SecretId") or "")
    yield call.asks(secret if secret.startswith("arn:") else call.arn(f"secret:{secret}-??????") if secret else "*")


def of_any(call: Call) -> Iterator[Asked]:
    """A service that the lab knows no resources of: only a policy for everything allows it."""
    yield call.asks()


SERVICES: Mapping[str, Rights] = {
    "cloudwatch": of_alarms,
    "codedeploy": of_codedeploy,
    "dynamodb": of_dynamodb,
    "iam": of_iam,
    "rds": of_databases,
    "secretsmanager": of_secrets,
    "sns": of_sns,
    "sqs": of_sqs,
    "ssm": of_parameters,
    "sts": of_sts,
}
