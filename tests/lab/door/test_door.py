"""Who gets in: tools with a key of the lab. Who does not: everybody else, web pages first of all."""

from __future__ import annotations

import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from deployer.lab.door.iam_keys import find_iam_key
from deployer.lab.door.keys import LabKeys, Pair, web_identity_token
from deployer.lab.door.signature import sign
from deployer.lab.endpoint import Endpoint, Site
from deployer.lab.listener import Listener
from tests.patience import PATIENCE

KEYS = LabKeys(Pair.make(), Pair.make())


class Clock:
    """The lab's clock, ahead of or behind the clients'."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass
class Place:
    """An endpoint with a door."""

    url: str
    clock: Clock
    site: Site

    def client(self, service: str, key: Pair = KEYS.owner, token: str | None = None, **config: Any) -> Any:
        """boto3's client; retries nothing."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.url,
            region_name="eu-west-1",
            aws_access_key_id=key.id,
            aws_secret_access_key=key.secret,
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}, **config),
        )

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str, dict[str, str]]:
        """A request by hand: status, text, headers."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), {k.lower(): v for k, v in answer.getheaders()}
        finally:
            connection.close()

    def signed(self, method: str, path: str, service: str, key: Pair = KEYS.owner) -> dict[str, str]:
        """The headers of a signed request without a body."""
        from datetime import UTC, datetime

        return sign(method, self.url + path, b"", (key.id, key.secret), service, datetime.now(UTC))


@pytest.fixture(scope="module")
def running() -> Iterator[Place]:
    listener, clock = Listener(), Clock()
    own = KEYS.ring("123456789012")
    site = Site(lambda key_id: own(key_id) or find_iam_key(key_id), clock)
    endpoint = Endpoint(site, listener)
    endpoint.start()
    yield Place(listener.url, clock, site)
    endpoint.stop()


@pytest.fixture
def place(running: Place) -> Iterator[Place]:
    yield running
    running.clock.ahead = 0.0


def refusal(call: Callable[[], Any]) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call()
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


CALLS: dict[str, Callable[[Any], Any]] = {
    "ec2": lambda c: c.describe_vpcs(),
    "elbv2": lambda c: c.describe_load_balancers(),
    "codedeploy": lambda c: c.list_applications(),
    "lambda": lambda c: c.list_functions(),
    "s3": lambda c: c.list_buckets(),
}


@pytest.mark.parametrize("service", CALLS)
@pytest.mark.parametrize("key", [KEYS.owner, KEYS.machines], ids=["owner", "machines"])
def test_the_keys_of_the_lab_open_it(place: Place, service: str, key: Pair) -> None:
    assert CALLS[service](place.client(service, key))["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize(
    ("service", "code", "status"),
    [
        ("ec2", "AuthFailure", 401),
        ("elbv2", "InvalidClientTokenId", 403),
        ("codedeploy", "UnrecognizedClientException", 400),
        ("lambda", "UnrecognizedClientException", 403),
        ("s3", "InvalidAccessKeyId", 403),
    ],
)
def test_an_unknown_key_is_refused_in_the_services_own_words(
    place: Place, service: str, code: str, status: int
) -> None:
    assert refusal(lambda: CALLS[service](place.client(service, Pair.make()))) == (code, status)


@pytest.mark.parametrize(
    ("service", "code", "status"),
    [
        ("ec2", "AuthFailure", 401),
        ("elbv2", "SignatureDoesNotMatch", 403),
        ("codedeploy", "InvalidSignatureException", 400),
        ("lambda", "InvalidSignatureException", 403),
        ("s3", "SignatureDoesNotMatch", 403),
    ],
)
def test_the_right_key_with_a_wrong_secret_is_refused(place: Place, service: str, code: str, status: int) -> None:
    forged = Pair(KEYS.owner.id, Pair.make().secret)
    assert refusal(lambda: CALLS[service](place.client(service, forged))) == (code, status)


@pytest.mark.parametrize("ahead", [1000.0, -1000.0], ids=["old", "from the future"])
@pytest.mark.parametrize(
    ("service", "code"),
    [("ec2", "RequestExpired"), ("elbv2", "SignatureDoesNotMatch"), ("s3", "RequestTimeTooSkewed")],
)
def test_a_request_of_another_time_is_refused(place: Place, service: str, code: str, ahead: float) -> None:
    place.clock.ahead = ahead
    assert refusal(lambda: CALLS[service](place.client(service)))[0] == code


def test_a_request_without_a_signature_changes_nothing(place: Place) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    status, text, _ = place.ask("POST", "/", b"Action=RunInstances&MinCount=1&MaxCount=1&ImageId=ami-1", **form)
    assert status == 403
    assert "Token" in text
    made_up = "AWS4-HMAC-SHA256 Credential=x/20260101/eu-west-1/ec2/aws4_request, SignedHeaders=host, Signature=00"
    body = b"Action=CreateVpc&CidrBlock=10.9.0.0/16"
    assert place.ask("POST", "/", body, **form, Authorization=made_up)[0] in (401, 403)
    vpcs = place.client("ec2").describe_vpcs(Filters=[{"Name": "cidr", "Values": ["10.9.0.0/16"]}])["Vpcs"]
    assert vpcs == []
    assert place.ask("PUT", "/strange-bucket")[0] == 403
    assert place.ask("HEAD", "/strange-bucket")[:2] == (403, "")
    assert "strange-bucket" not in [b["Name"] for b in place.client("s3").list_buckets()["Buckets"]]


def test_a_web_page_is_refused_even_with_the_key(place: Place) -> None:
    page = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    status, _, headers = place.ask("OPTIONS", "/", **page)
    assert status == 403
    assert not [name for name in headers if name.startswith("access-control")]
    signed = place.signed("GET", "/", "s3")
    assert place.ask("GET", "/", **signed)[0] == 200
    assert place.ask("GET", "/", **signed, Origin="http://evil.example")[0] == 403
    assert place.ask("GET", "/", **signed, Origin="null")[0] == 403
    assert place.ask("GET", "/", **signed, **{"Sec-Fetch-Site": "cross-site"})[0] == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "10.0.0.1", "127.0.0.1.evil.example", "[::", ""]
)
def test_a_name_that_was_pointed_here_is_refused(place: Place, host: str) -> None:
    status, text, _ = place.ask("GET", "/", Host=host, Authorization="x")
    assert status == 403
    assert "localhost" in text


def test_a_web_identity_gets_in_with_a_token_that_the_owners_key_made_and_no_other(place: Place) -> None:
    asked = {"RoleArn": "arn:aws:iam::123456789012:role/ci", "RoleSessionName": "job"}
    sts = place.client("sts", signature_version=UNSIGNED)
    wrong = refusal(lambda: sts.assume_role_with_web_identity(**asked, WebIdentityToken="the job's id token"))
    assert wrong[1] in (400, 403)
    token = web_identity_token(KEYS.owner.secret)
    given = sts.assume_role_with_web_identity(**asked, WebIdentityToken=token)["Credentials"]
    role = Pair(given["AccessKeyId"], given["SecretAccessKey"])
    assert place.client("ec2", role, given["SessionToken"]).describe_vpcs()["Vpcs"]
    with pytest.raises(ClientError):
        place.client("ec2", signature_version=UNSIGNED).describe_vpcs()


def test_motos_own_pages_are_closed(place: Place) -> None:
    place.client("ec2").create_vpc(CidrBlock="10.8.0.0/16")
    for path in ("/moto-api/reset", "/%6doto-api/reset", "/latest/meta-data/iam/security-credentials/x"):
        assert place.ask("POST", path)[0] == 403
        assert place.ask("POST", path, **place.signed("POST", path, "s3"))[0] == 403
    assert place.client("ec2").describe_vpcs(Filters=[{"Name": "cidr", "Values": ["10.8.0.0/16"]}])["Vpcs"]


def test_the_labs_own_pages_are_for_its_owner(place: Place) -> None:
    place.site.control.get("who", lambda _asked: {"you": "in"})
    assert place.ask("GET", "/_lab/who", **place.signed("GET", "/_lab/who", "lab"))[0] == 200
    assert place.ask("GET", "/_lab/who")[0] == 403
    assert place.ask("GET", "/_lab/who", **place.signed("GET", "/_lab/who", "lab", KEYS.machines))[0] == 403
    for path in ("/_lab/who", "//_lab/who", "/%5Flab/who", "/x/../_lab/who"):
        assert place.ask("GET", path, **place.signed("GET", path, "lab", KEYS.machines))[0] != 200


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_a_presigned_url_needs_no_more_and_ends(place: Place, version: str) -> None:
    s3 = place.client("s3", signature_version=version)
    location = {"LocationConstraint": "eu-west-1"}
    name = f"presigned-{version}"
    place.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=location)
    place.client("s3").put_object(Bucket=name, Key="a b/ü.txt", Body=b"hello")
    url = s3.generate_presigned_url("get_object", {"Bucket": name, "Key": "a b/ü.txt"}, ExpiresIn=60)
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310 - http to loopback
        assert answer.read() == b"hello"
    with pytest.raises(urllib.error.HTTPError) as other:
        urllib.request.urlopen(url.replace("a%20b", "a%20c"), timeout=PATIENCE)  # noqa: S310 - as above
    assert other.value.code == 403
    other.value.close()
    place.clock.ahead = 61
    with pytest.raises(urllib.error.HTTPError) as late:
        urllib.request.urlopen(url, timeout=PATIENCE)  # noqa: S310 - as above
    assert late.value.code == 403
    assert b"Request has expired" in late.value.read()
    late.value.close()


def test_uploads_are_held_against_the_hash_that_was_signed(place: Place) -> None:
    s3 = place.client("s3")
    s3.create_bucket(Bucket="uploads", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket="uploads", Key="large", Body=b"x" * 3_000_000, Metadata={"under_score": "1"})
    assert s3.head_object(Bucket="uploads", Key="large")["Metadata"] == {"under_score": "1"}
    path = "/uploads/other"
    headers = place.signed("PUT", path, "s3") | {"x-amz-content-sha256": "0" * 64}
    # The hash is not what was signed, so the signature is wrong; nothing is kept.
    assert place.ask("PUT", path, b"other", **headers)[0] == 403
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="uploads")["Contents"]] == ["large"]


def test_a_key_of_iam_opens_until_it_is_switched_off(place: Place) -> None:
    iam = place.client("iam")
    iam.create_user(UserName="ann")
    made = iam.create_access_key(UserName="ann")["AccessKey"]
    key = Pair(made["AccessKeyId"], made["SecretAccessKey"])
    assert place.client("sts", key).get_caller_identity()["Arn"].endswith(":user/ann")
    iam.update_access_key(UserName="ann", AccessKeyId=key.id, Status="Inactive")
    assert refusal(place.client("sts", key).get_caller_identity)[0] == "InvalidClientTokenId"


def test_a_session_of_a_role_needs_its_token_and_ends(place: Place) -> None:
    iam = place.client("iam")
    role = iam.create_role(RoleName="deploy", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    made = place.client("sts").assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    key, token = Pair(made["AccessKeyId"], made["SecretAccessKey"]), made["SessionToken"]
    place.client("ec2", key, token).describe_vpcs()
    assert refusal(place.client("sts", key).get_caller_identity)[0] == "InvalidClientTokenId"
    assert refusal(place.client("sts", key, "other").get_caller_identity)[0] == "InvalidClientTokenId"
    place.clock.ahead = 3600.5
    with pytest.raises(ClientError, match="ExpiredToken"):
        place.client("sts", key, token).get_caller_identity()
