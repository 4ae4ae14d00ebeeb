"""One AWS session: credentials by the usual chain, clients with deadlines, every call counted and paced."""

from __future__ import annotations

import ipaddress
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, NoRegionError

from deployer import __version__
from deployer.aws.errors import before_anything, is_throttle
from deployer.aws.rates import RATES, Group, Limiter, Rate, groups_of
from deployer.aws.sending import Sender
from deployer.engine.fence import Fence
from deployer.model.errors import UsageError
from deployer.secrets.known import know

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_cloudfront import CloudFrontClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_codedeploy import CodeDeployClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_elb import ElasticLoadBalancingClient
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sts import STSClient


@dataclass(frozen=True)
class AwsSettings:
    """How AWS is reached. What is None comes from the environment and ~/.aws, as for the AWS CLI.

    Timeouts are seconds for one attempt; `attempts` counts the first one. Between attempts botocore waits a
    random time of up to 1, 2, 4, … seconds, at most 20 ("full jitter").
    """

    profile: str | None = None
    region: str | None = None
    endpoint: str | None = None
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    attempts: int = 4
    state_timeout: float = 30.0
    """Seconds for one attempt at the state store, which must be answered while there is a lease to extend."""


@dataclass(frozen=True)
class Identity:
    """Who we are to AWS, and where."""

    account: str
    arn: str
    region: str


class _Kind(Enum):
    """What a client is for."""

    USUAL = "retries, and is fenced"
    ONCE = "sends once, and is fenced"
    STATE = "retries, and is not fenced: it is what the fence stands on"


class CallLedger:
    """Every request that was sent, retries included, by operation: `ec2:RunInstances` → 8.

    The service is botocore's name: `ec2`, `elbv2`, `elb`, `s3`, `sts`. Safe to read and write from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._throttled = 0

    def sent(self, service: str, operation: str) -> None:
        """Counts one request."""
        with self._lock:
            self._calls[f"{service}:{operation}"] += 1

    def refused_for_rate(self) -> None:
        """Counts one throttled answer."""
        with self._lock:
            self._throttled += 1

    @property
    def by_operation(self) -> Mapping[str, int]:
        """The requests so far, by operation."""
        with self._lock:
            return dict(self._calls)

    @property
    def throttled(self) -> int:
        """How many requests AWS throttled."""
        with self._lock:
            return self._throttled


class AwsSession:
    """Clients for the services that a rollout needs, made when first used. Safe to share between threads.

    Whatever changes something asks the fence at each attempt, but for the state store's own writes: those are
    conditional, and by them a lease is extended that has run out.

    Raises UsageError for a profile that does not exist; a missing region shows at the first client.
    """

    def __init__(
        self,
        settings: AwsSettings | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        rates: Mapping[Group, Rate] = RATES,
        environment: Mapping[str, str] = os.environ,
        fence: Fence | None = None,
    ) -> None:
        self.fence = fence or Fence()
        self.settings = settings or AwsSettings()
        self.ledger = CallLedger()
        self._limiter = Limiter(clock, sleep, rates)
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, _Kind], Any] = {}
        with before_anything("opening an AWS session"):
            self._boto = boto3.Session(
                profile_name=self.settings.profile,
                # boto3 itself knows AWS_DEFAULT_REGION alone; the AWS CLI v2 reads this one, and first.
                region_name=self.settings.region or environment.get("AWS_REGION") or None,
            )

    @property
    def ec2(self) -> EC2Client:
        """EC2."""
        return cast("EC2Client", self._client("ec2"))

    @property
    def ec2_once(self) -> EC2Client:
        """EC2 without retries: for creating calls that have no token, where a retry would create twice."""
        return cast("EC2Client", self._client("ec2", _Kind.ONCE))

    @property
    def elbv2(self) -> ElasticLoadBalancingv2Client:
        """ALB and NLB."""
        return cast("ElasticLoadBalancingv2Client", self._client("elbv2"))

    @property
    def elb(self) -> ElasticLoadBalancingClient:
        """Classic load balancers."""
        return cast("ElasticLoadBalancingClient", self._client("elb"))

    @property
    def autoscaling(self) -> AutoScalingClient:
        """Auto Scaling groups."""
        return cast("AutoScalingClient", self._client("autoscaling"))

    @property
    def codedeploy(self) -> CodeDeployClient:
        """CodeDeploy."""
        return cast("CodeDeployClient", self._client("codedeploy"))

    @property
    def codedeploy_once(self) -> CodeDeployClient:
        """CodeDeploy without retries: CreateDeployment has no token, and a retry could deploy twice."""
        return cast("CodeDeployClient", self._client("codedeploy", _Kind.ONCE))

    @property
    def s3(self) -> S3Client:
        """S3."""
        return cast("S3Client", self._client("s3"))

    @property
    def state_s3(self) -> S3Client:
        """S3 for a shared state store, which the fence does not hold up."""
        return cast("S3Client", self._client("s3", _Kind.STATE))

    @property
    def state_dynamodb(self) -> DynamoDBClient:
        """DynamoDB for a shared state store, which the fence does not hold up."""
        return cast("DynamoDBClient", self._client("dynamodb", _Kind.STATE))

    @property
    def sns(self) -> SNSClient:
        """SNS, for messages."""
        return cast("SNSClient", self._client("sns"))

    @property
    def cloudwatch(self) -> CloudWatchClient:
        """CloudWatch, for alarms and metrics."""
        return cast("CloudWatchClient", self._client("cloudwatch"))

    @property
    def cloudfront(self) -> CloudFrontClient:
        """CloudFront, for invalidations."""
        return cast("CloudFrontClient", self._client("cloudfront"))

    @property
    def rds(self) -> RDSClient:
        """RDS, for snapshots before a migration."""
        return cast("RDSClient", self._client("rds"))

    @property
    def sts(self) -> STSClient:
        """STS."""
        return cast("STSClient", self._client("sts"))

    @property
    def iam(self) -> IAMClient:
        """IAM, for the roles of instance profiles."""
        return cast("IAMClient", self._client("iam"))

    @property
    def region(self) -> str:
        """The region in force. Raises UsageError when there is none."""
        return self.ec2.meta.region_name

    @property
    def endpoint(self) -> str:
        """Where calls of EC2 go. Raises UsageError when there is no region."""
        return self.ec2.meta.endpoint_url

    @property
    def sts_endpoint(self) -> str:
        """Where we ask who we are."""
        return self.sts.meta.endpoint_url

    def identity(self) -> Identity:
        """Asks AWS who we are: the cheapest proof that credentials, region and endpoint are right.

        Raises UsageError (no credentials, no region) or PreflightRefused (expired, denied, no answer).
        """
        with before_anything("asking AWS who we are"):
            answer = self.sts.get_caller_identity()
        return Identity(answer["Account"], answer["Arn"], self.region)

    def _client(self, service: str, kind: _Kind = _Kind.USUAL) -> Any:
        with self._lock:
            key = (service, kind)
            if key not in self._clients:
                with before_anything(f"preparing to call {service}"):
                    self._clients[key] = self._new_client(service, kind)
            return self._clients[key]

    def _new_client(self, service: str, kind: _Kind) -> Any:
        if self._boto.region_name is None:
            # STS and S3 would fall back on a region that nobody named.
            raise NoRegionError
        endpoint = self.settings.endpoint or os.environ.get("AWS_ENDPOINT_URL")
        longest = self.settings.read_timeout
        config = Config(
            connect_timeout=self.settings.connect_timeout,
            read_timeout=min(longest, self.settings.state_timeout) if kind is _Kind.STATE else longest,
            retries={
                "mode": "adaptive",
                "total_max_attempts": 1 if kind is _Kind.ONCE else self.settings.attempts,
            },
            user_agent_extra=f"deployer/{__version__}",
            max_pool_connections=20,
            # A proxy from the environment cannot reach this machine's own loopback.
            proxies={} if endpoint and _on_loopback(endpoint) else None,
        )
        create: Any = self._boto.client
        try:
            client = create(service, endpoint_url=self.settings.endpoint, config=config)
        except ValueError as error:
            if isinstance(error, BotoCoreError):
                raise
            # The endpoint may stand in the environment or a profile, for all services or for one.
            raise UsageError(
                f"the endpoint of {service} is not an address ({error}); expected http://127.0.0.1:4566, say, "
                "in AWS_ENDPOINT_URL or the profile's endpoint_url, or none to reach AWS itself"
            ) from error
        self._observe(client, service)
        if kind is not _Kind.STATE:
            Sender(self.fence, longest).watch(client)
        return client

    def _observe(self, client: Any, service: str) -> None:
        """Paces and counts every request of a client; botocore fires both events once an attempt."""

        def before(request: Any, operation_name: str, **_: object) -> None:
            data = request.data if isinstance(request.data, dict) else {}
            filtered = any(key.startswith(("Filter", "MaxResults")) for key in data)
            instances = sum(key.startswith("InstanceId.") for key in data) or 1
            self._limiter.take(groups_of(service, operation_name, filtered=filtered, instances=instances))
            self.ledger.sent(service, operation_name)
            self._keep_secret()

        def after(parsed_response: Any, event_name: str, **_: object) -> None:
            code = (parsed_response or {}).get("Error", {}).get("Code", "")
            if is_throttle(code):
                self.ledger.refused_for_rate()
                self._limiter.throttled(groups_of(service, event_name.rsplit(".", 1)[-1], filtered=True))

        client.meta.events.register(f"request-created.{service_id(client)}", before)
        client.meta.events.register(f"response-received.{service_id(client)}", after)

    def _keep_secret(self) -> None:
        """Has the credentials masked in whatever this process writes; roles and SSO give new ones every hour."""
        credentials = self._boto.get_credentials()
        if credentials is not None:
            now = credentials.get_frozen_credentials()
            know(*(one for one in (now.secret_key, now.token) if one))


def service_id(client: Any) -> str:
    """The service's name in botocore's events: `ec2`, `elastic-load-balancing-v2`, …"""
    return str(client.meta.service_model.service_id.hyphenize())


def _on_loopback(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
