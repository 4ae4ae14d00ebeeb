"""Vendor errors become outcomes and clear sentences here, by their codes and never by their text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from deployer.model.errors import AwsError, DeployerError, PreflightRefused, UsageError
from deployer.model.outcome import Done, Outcome, Permanent, Temporary, Unknown

T = TypeVar("T")

VENDOR_ERRORS = (boto.ClientError, boto.BotoCoreError, ResponseParserError)
"""Everything that a botocore call raises."""

THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""botocore's own list (`retries/standard.py`), less what belongs to other services."""

CAPACITY = frozenset(
    {
        "InsufficientCapacity",
        "InsufficientFreeAddressesInSubnet",
        "InsufficientHostCapacity",
        "InsufficientInstanceCapacity",
        "InsufficientReservedInstanceCapacity",
        "MaxSpotInstanceCountExceeded",
        "SpotMaxPriceTooLow",
        "Unsupported",
    }
)
"""The zone has no room for the type now, or does not offer it: another zone or type may."""

QUOTA = frozenset(
    {
        "InstanceLimitExceeded",
        "MaxIOPSLimitExceeded",
        "ResourceCountExceeded",
        "ResourceLimitExceeded",
        "SnapshotLimitExceeded",
        "TooManyTargets",
        "VcpuLimitExceeded",
        "VolumeLimitExceeded",
    }
)
"""The account's quota is used up: somebody must raise it or remove something."""

LAG = frozenset(
    {
        "InvalidAMIID.NotFound",
        "InvalidInstanceID.NotFound",
        "InvalidSnapshot.NotFound",
        "InvalidVolume.NotFound",
    }
)
"""Not found: right after a create this is the API's eventual consistency, not loss."""

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AllAccessDisabled"})
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
REJECTED = frozenset(
    {
        "AuthFailure",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
"""The credentials are wrong, or the account is not enabled in the region."""

_SERVER = frozenset({"InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable"})

_NEVER_SENT = (boto.EndpointConnectionError, boto.ConnectTimeoutError, boto.ProxyConnectionError)
_ANSWER_LOST = (boto.HTTPClientError, boto.IncompleteReadError, ResponseParserError)
_NO_CREDENTIALS = (boto.NoCredentialsError, boto.PartialCredentialsError)
_STALE_LOGIN = (
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.SSOError,
    boto.LoginError,
    boto.MetadataRetrievalError,
)


def code_of(error: Exception) -> str:
    """AWS's error code; empty for errors that did not come from AWS."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, boto.ClientError) else ""


def request_id_of(answer: object) -> str:
    """The request id of an answer or of a ClientError; empty when there is none."""
    response: object = answer.response if isinstance(answer, boto.ClientError) else answer
    if not isinstance(response, Mapping):
        return ""
    metadata = response.get("ResponseMetadata")
    return str(metadata.get("RequestId", "")) if isinstance(metadata, Mapping) else ""


def is_throttle(code: str) -> bool:
    """Whether AWS refused for the rate of requests alone."""
    return code in THROTTLED


def outcome_of(error: Exception, doing: str) -> Temporary | Permanent | Unknown:
    """What a failed call amounts to. `doing` says what was tried, as in "launching an instance".

    Unknown means that the answer was lost or that AWS failed inside: the change may have happened.
    """
    reason = sentence(error, doing)
    if not isinstance(error, boto.ClientError):
        return _outcome_of_transport(error, reason)
    code, request = code_of(error), request_id_of(error)
    if code in THROTTLED:
        return Temporary(reason, 2.0, code, request)
    if code in CAPACITY:
        return Temporary(reason, 15.0, code, request)
    if code in QUOTA:
        return Temporary(reason, 60.0, code, request)
    if code in LAG or code == "HealthUnavailable":
        return Temporary(reason, 2.0, code, request)
    if code in _SERVER or _status(error) >= 500:
        return Unknown(reason)
    return Permanent(reason, code, request, denied=code in DENIED)


def _outcome_of_transport(error: Exception, reason: str) -> Temporary | Permanent | Unknown:
    if isinstance(error, _NEVER_SENT):
        return Temporary(reason, 5.0, type(error).__name__)
    if isinstance(error, _STALE_LOGIN):
        return Temporary(reason, 15.0, type(error).__name__)
    if isinstance(error, _ANSWER_LOST):
        return Unknown(reason)
    return Permanent(reason, type(error).__name__)


def attempt(call: Callable[[], T], doing: str) -> Outcome[T]:
    """Makes one call and says how it ended; vendor errors do not pass."""
    try:
        answer = call()
    except VENDOR_ERRORS as error:
        return outcome_of(error, doing)
    return Done(answer, request_id_of(answer))


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turns vendor errors of the block into AwsError or, for wrong settings, UsageError."""
    try:
        yield
    except VENDOR_ERRORS as error:
        raise as_error(error, doing) from error


@contextmanager
def before_anything(doing: str) -> Iterator[None]:
    """Like `translated`, for calls made before anything was touched: AwsError becomes PreflightRefused."""
    try:
        with translated(doing):
            yield
    except AwsError as error:
        raise PreflightRefused(str(error)) from error


def as_error(error: Exception, doing: str) -> DeployerError:
    """The error that ends a command: UsageError for settings of the user's, AwsError for all else."""
    text = sentence(error, doing)
    if isinstance(error, (*_NO_CREDENTIALS, *_WRONG_SETTINGS)):
        return UsageError(text)
    return AwsError(text, code=code_of(error) or type(error).__name__, request_id=request_id_of(error))


def sentence(error: Exception, doing: str) -> str:
    """One clear sentence: what was tried, what AWS said, what to do next."""
    if isinstance(error, boto.ClientError):
        return _aws_said(error, doing)
    for kinds, template in _SENTENCES:
        if isinstance(error, kinds):
            return template.format(doing=doing, error=_one_line(error), endpoint=_endpoint(error))
    return f"{doing} failed: {_one_line(error)}"


_WRONG_SETTINGS = (
    boto.ProfileNotFound,
    boto.NoRegionError,
    boto.InvalidRegionError,
    boto.UnknownRegionError,
    boto.ConfigParseError,
    boto.ConfigNotFound,
    boto.InvalidConfigError,
)

_SENTENCES: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    (
        _NO_CREDENTIALS,
        (
            "no AWS credentials for {doing}: set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "log in with `aws sso login`, or run on an instance with a role ({error})"
        ),
    ),
    (
        (boto.NoRegionError,),
        "no AWS region is set: give --region, set AWS_REGION, or put a region into the profile",
    ),
    (
        (boto.InvalidRegionError, boto.UnknownRegionError),
        "the AWS region is not a region's name ({error}): expected one such as eu-west-1",
    ),
    (
        (boto.ProfileNotFound,),
        "{error}: check --profile or AWS_PROFILE against ~/.aws/config",
    ),
    (
        _STALE_LOGIN,
        (
            "the AWS credentials could not be fetched or refreshed for {doing}: {error}; log in again, "
            "for example with `aws sso login`"
        ),
    ),
    (
        _NEVER_SENT,
        (
            "{doing} failed: the endpoint {endpoint} does not answer; check the region, AWS_ENDPOINT_URL and the "
            "network"
        ),
    ),
    (
        (boto.ReadTimeoutError,),
        "{doing}: the endpoint {endpoint} took the request and sent no answer in time",
    ),
    (
        (boto.SSLError,),
        "{doing} failed: no trusted TLS connection to {endpoint}; check AWS_CA_BUNDLE and AWS_ENDPOINT_URL",
    ),
    (
        (ResponseParserError,),
        "{doing}: the endpoint's answer is not one that the AWS API gives; check AWS_ENDPOINT_URL",
    ),
)


def _aws_said(error: boto.ClientError, doing: str) -> str:
    code = code_of(error) or "an error without a code"
    said = _one_line(str(error.response.get("Error", {}).get("Message", "")))[:400]
    request = request_id_of(error)
    where = f" (request {request})" if request else ""
    action = f"{error.operation_name}"
    if code in DENIED:
        return (
            f"{doing} was denied: the credentials may not call {action}; allow it as `deployer iam-policy` "
            f"prints it{where}: {said}"
        )
    if code in EXPIRED:
        return f"{doing} failed: the AWS credentials have expired ({code}); log in again, then resume{where}"
    if code in REJECTED:
        return (
            f"{doing} failed: AWS does not accept the credentials in this region ({code}); check the profile, "
            f"the keys and that the region is enabled{where}: {said}"
        )
    if code in THROTTLED:
        return f"{doing} was throttled by AWS ({action}: {code}){where}"
    if code in QUOTA:
        return f"{doing} was refused: a quota is used up ({code}); raise it or free some{where}: {said}"
    return f"{doing} failed: {action} said {code}{where}: {said}"


def _status(error: boto.ClientError) -> int:
    metadata: Any = error.response.get("ResponseMetadata", {})
    return int(metadata.get("HTTPStatusCode", 0) or 0)


def _endpoint(error: Exception) -> str:
    details: Any = getattr(error, "kwargs", {})
    return str(details.get("endpoint_url", "of AWS"))


def _one_line(text: object) -> str:
    """Without line breaks or control characters: AWS's texts may repeat what a user typed."""
    return "".join(char if char.isprintable() else " " for char in str(text)).strip()
