"""Signature Version 2, which boto3 still gives presigned S3 URLs in regions that had it (S3 user guide)."""

from __future__ import annotations

import base64
import hashlib
import hmac

from deployer.lab.door.signature import NotSigned, Sent

_SUBRESOURCES = frozenset(
    {
        *("acl", "cors", "delete", "lifecycle", "location", "logging", "notification", "partNumber", "policy"),
        *("requestPayment", "restore", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning"),
        *("versions", "website", "response-cache-control", "response-content-disposition"),
        *("response-content-encoding", "response-content-language", "response-content-type", "response-expires"),
    }
)


def key_of(sent: Sent) -> str:
    """The id of the key that the URL was signed with. Raises NotSigned."""
    fields = sent.parameters()
    if not {"AWSAccessKeyId", "Signature", "Expires"} <= set(fields) or not fields["Expires"].isdecimal():
        raise NotSigned("there is no Authorization header, and no signature in the query")
    return fields["AWSAccessKeyId"]


def expires(sent: Sent) -> int:
    """Until when it is good (seconds since 1970)."""
    return int(sent.parameters()["Expires"])


def matches(sent: Sent, secret: str) -> bool:
    """Whether the URL was signed with `secret`."""
    fields = sent.parameters()
    said = {**sent.headers, **{name.lower(): value for name, value in fields.items() if name.startswith("x-amz-")}}
    amz = sorted(f"{name}:{value}\n" for name, value in said.items() if name.startswith("x-amz-"))
    kept = sorted((name, value) for name, value in fields.items() if name in _SUBRESOURCES)
    resource = sent.path + ("?" if kept else "") + "&".join(f"{n}={v}" if v else n for n, v in kept)
    head = [sent.method, said.get("content-md5", ""), said.get("content-type", ""), fields["Expires"]]
    text = "\n".join((*head, "".join(amz) + resource))
    made = base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()).decode()
    return hmac.compare_digest(made, fields["Signature"])
