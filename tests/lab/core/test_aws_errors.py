"""What the endpoint cannot do it says as AWS would."""

from __future__ import annotations

import os

from tests.patience import PATIENCE

# Read when moto's EC2 models are first imported: its list of public images takes a second to load.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from deployer.lab.aws_errors import StartResponse, internal, recognise, respond
from deployer.lab.door.keys import LabKeys, Pair
from deployer.lab.door.signature import sign
from deployer.lab.endpoint import Endpoint, Site
from deployer.lab.listener import Listener

KEYS = LabKeys(Pair.make(), Pair.make())


@pytest.fixture(scope="module")
def site() -> Site:
    return Site(KEYS.ring("123456789012"))


@pytest.fixture(scope="module")
def address(site: Site) -> Iterator[str]:
    listener = Listener()
    endpoint = Endpoint(site, listener)
    endpoint.start()
    yield listener.url
    endpoint.stop()


def client(service: str, address: str) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=address,
        region_name="eu-west-1",
        aws_access_key_id=KEYS.owner.id,
        aws_secret_access_key=KEYS.owner.secret,
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("ec2", "describe_verified_access_groups", "InvalidAction"),
        ("autoscaling", "describe_termination_policy_types", "InvalidAction"),
        ("codedeploy", "list_on_premises_instances", "UnknownOperationException"),
    ],
)
def test_an_action_that_the_lab_lacks_is_refused_in_the_services_protocol(
    address: str, service: str, call: str, code: str
) -> None:
    with pytest.raises(ClientError) as refusal:
        getattr(client(service, address), call)()
    error = refusal.value.response
    if error["Error"]["Code"] != code:
        pytest.skip(f"moto has learned {call}: {error['Error']}")
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert error["ResponseMetadata"]["RequestId"]


def test_what_the_lab_has_is_answered_untouched(address: str) -> None:
    assert client("sts", address).get_caller_identity()["Account"] == "123456789012"
    s3 = client("s3", address)
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket="bucket", Key="k", Body=b"x" * 100_000)
    assert s3.get_object(Bucket="bucket", Key="k")["Body"].read() == b"x" * 100_000
    with pytest.raises(ClientError) as missing:
        s3.get_object(Bucket="bucket", Key="none")
    assert missing.value.response["Error"]["Code"] == "NoSuchKey"


@pytest.mark.parametrize(
    ("headers", "body", "code", "protocol"),
    [
        ({"CONTENT_TYPE": "application/x-www-form-urlencoded"}, b"Action=RunInstances", "InternalError", "ec2"),
        ({"HTTP_X_AMZ_TARGET": "CodeDeploy_20141006.CreateDeployment"}, b"{}", "InternalFailure", "json"),
        ({"REQUEST_METHOD": "GET", "PATH_INFO": "/bucket"}, b"", "InternalError", "rest-xml"),
    ],
)
def test_a_failure_inside_is_an_internal_error_in_the_calls_protocol(
    headers: Mapping[str, str], body: bytes, code: str, protocol: str
) -> None:
    service = {"ec2": "ec2", "json": "codedeploy", "rest-xml": "s3"}[protocol]
    credential = f"AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu-west-1/{service}/aws4_request, x"
    call = recognise({"HTTP_AUTHORIZATION": credential, **headers}, body)
    sent: list[str] = []
    data = b"".join(respond(call, internal(call, RuntimeError("x")), lambda status, _headers: sent.append(status)))
    assert call.protocol == protocol
    assert sent == ["500 Internal Server Error"]
    assert code in data.decode()


def test_a_failing_application_reaches_the_client_as_an_aws_error_and_the_log(
    address: str, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        raise RuntimeError("a bug in the lab")

    front, site.front.application = site.front.application, broken
    try:
        with pytest.raises(ClientError) as failure:
            client("ec2", address).describe_vpcs()
    finally:
        site.front.application = front
    assert failure.value.response["Error"]["Code"] == "InternalError"
    assert "a bug in the lab" in caplog.text


def get(url: str, data: bytes | None = None, kind: str = "application/json") -> tuple[int, Any]:
    key = (KEYS.owner.id, KEYS.owner.secret)
    signed = sign("GET" if data is None else "POST", url, data or b"", key, "lab", datetime.now(UTC))
    request = urllib.request.Request(url, data, {"Content-Type": kind, **signed})  # noqa: S310 - http to loopback
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - http to loopback
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)


def test_the_labs_own_pages_answer_beside_the_api(address: str, site: Site) -> None:
    site.control.post("echo", lambda asked: {"got": asked["word"]})
    assert get(f"{address}/_lab/echo", b'{"word": "x"}') == (200, {"got": "x"})
    assert get(f"{address}/_lab/echo", b"{}")[0] == 400
    assert get(f"{address}/_lab/none")[0] == 404


def test_a_form_of_another_site_cannot_change_the_lab(address: str, site: Site) -> None:
    site.control.post("echo", lambda asked: {"got": asked["word"]})
    assert get(f"{address}/_lab/echo", b'{"word": "x"}', "text/plain")[0] == 415
