"""The door's own reckoning of a signature, held against AWS's published example and against botocore."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from deployer.lab.door.signature import NotSigned, Scope, Sent, Signature, sign, signature_of

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
CREDENTIALS = Credentials("AKIDEXAMPLE", SECRET)
ADDRESS = "http://127.0.0.1:5000"


def test_awss_own_example_comes_out() -> None:
    # IAM user guide, "Examples of the complete Signature Version 4 signing process": ListUsers.
    headers = {
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        "host": "iam.amazonaws.com",
        "x-amz-date": "20150830T123600Z",
    }
    sent = Sent("GET", "/", "Action=ListUsers&Version=2010-05-08", headers)
    at = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
    scope = Scope("AKIDEXAMPLE", "20150830", "us-east-1", "iam")
    made = signature_of(sent, sorted(headers), hashlib.sha256(b"").hexdigest(), at, scope, SECRET)
    assert made == "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"


def as_sent(request: AWSRequest) -> Sent:
    parts = urlsplit(request.url)
    headers: Mapping[str, str] = {name.lower(): value for name, value in request.headers.items()}
    return Sent(request.method, parts.path, parts.query, {"host": parts.netloc, **headers})


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
SEGMENT = TEXT.filter(lambda text: text not in (".", ".."))


@given(
    path=st.lists(SEGMENT, max_size=3), query=st.dictionaries(TEXT, TEXT, max_size=3), body=st.binary(max_size=9)
)
@pytest.mark.parametrize("service", ["ec2", "s3"])
def test_what_botocore_signs_is_let_in_and_a_changed_request_is_not(
    service: str, path: list[str], query: dict[str, str], body: bytes
) -> None:
    url = ADDRESS + "/" + "/".join(quote(part, safe="~") for part in path)
    if query:
        url += "?" + "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in query.items())
    request = AWSRequest("PUT", url, headers={"X-Amz-Meta-A": "b  c"}, data=body)
    (S3SigV4Auth if service == "s3" else SigV4Auth)(CREDENTIALS, service, "eu-west-1").add_auth(request)
    sent, payload = as_sent(request), hashlib.sha256(body).hexdigest()
    signature = Signature.of(sent)
    assert signature.scope.key_id == "AKIDEXAMPLE"
    assert signature.matches(sent, payload, SECRET)
    assert not signature.matches(sent, payload, SECRET + "x")
    assert not signature.matches(sent, "0" * 64, SECRET)
    assert not signature.matches(Sent("GET", sent.path, sent.query, sent.headers), payload, SECRET)
    assert not signature.matches(Sent(sent.method, sent.path + "x", sent.query, sent.headers), payload, SECRET)
    assert not signature.matches(Sent(sent.method, sent.path, sent.query + "&x=y", sent.headers), payload, SECRET)
    other = {**sent.headers, "x-amz-meta-a": "c"}
    assert not signature.matches(Sent(sent.method, sent.path, sent.query, other), payload, SECRET)


def test_a_presigned_url_is_good_as_it_is_and_not_otherwise() -> None:
    request = AWSRequest("GET", f"{ADDRESS}/?Action=GetCallerIdentity&Version=2011-06-15")
    SigV4QueryAuth(CREDENTIALS, "sts", "eu-west-1", expires=60).add_auth(request)
    sent = as_sent(request)
    signature = Signature.of(sent)
    assert signature.lasts == 60
    empty = hashlib.sha256(b"").hexdigest()
    assert signature.matches(sent, empty, SECRET)
    changed = Sent("GET", sent.path, sent.query.replace("GetCallerIdentity", "GetSessionToken"), sent.headers)
    assert not signature.matches(changed, empty, SECRET)


def test_our_own_requests_are_signed_the_same_way() -> None:
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    made = sign("POST", f"{ADDRESS}/_lab/faults?a=b", b"{}", ("AKIDEXAMPLE", SECRET), "lab", at)
    sent = Sent(
        "POST", "/_lab/faults", "a=b", {"host": "127.0.0.1:5000", **{k.lower(): v for k, v in made.items()}}
    )
    assert Signature.of(sent).matches(sent, hashlib.sha256(b"{}").hexdigest(), SECRET)


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, ""),
        ({"authorization": "AWS AKID:signature"}, ""),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=00"}, ""),
        (
            {"authorization": "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host, Signature=0"},
            "",
        ),
        ({}, "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=604801"),
        ({}, "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=-1"),
    ],
)
def test_what_is_no_signature_is_said_to_be_none(headers: dict[str, str], query: str) -> None:
    with pytest.raises(NotSigned):
        Signature.of(Sent("GET", "/", query, headers))


@pytest.mark.parametrize("signed", ["x-amz-date", "host;x-amz-date"])
def test_a_signature_has_to_be_over_the_host_and_of_its_day(signed: str) -> None:
    sent = Sent("GET", "/", "", {"host": "127.0.0.1", "x-amz-date": "20260131T120000Z"})
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    yesterday = Scope("A", "20260130" if "host" in signed else "20260131", "r", "s3")
    value = signature_of(sent, signed.split(";"), "x", at, yesterday, SECRET)
    assert not Signature(yesterday, at, tuple(signed.split(";")), value, "").matches(sent, "x", SECRET)
