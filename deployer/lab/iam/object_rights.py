"""Which rights S3's and CloudFront's calls need: they are known by method, path and query alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deployer.lab.iam.call import Call
from deployer.lab.iam.policy import Asked

_OF_BUCKET = {
    "policy": "BucketPolicy",
    "versioning": "BucketVersioning",
    "lifecycle": "LifecycleConfiguration",
    "notification": "BucketNotification",
    "acl": "BucketAcl",
    "tagging": "BucketTagging",
    "encryption": "EncryptionConfiguration",
    "publicAccessBlock": "BucketPublicAccessBlock",
}


def of_objects(call: Call, method: str, path: str, query: Mapping[str, str]) -> Iterator[Asked]:
    """S3, addressed by path."""
    bucket, _, key = path.lstrip("/").partition("/")
    if not bucket:
        yield call.asks(action="s3:ListAllMyBuckets")
    elif not key:
        yield _of_bucket(call, method, bucket, query)
    else:
        yield call.asks(f"arn:aws:s3:::{bucket}/{key}", action=f"s3:{_on_object(method, query)}")


def _on_object(method: str, query: Mapping[str, str]) -> str:
    version = "Version" if "versionId" in query else ""
    if "tagging" in query:
        return {"GET": "Get", "PUT": "Put", "DELETE": "Delete"}.get(method, "Get") + f"Object{version}Tagging"
    if "uploadId" in query and method in {"DELETE", "GET"}:
        return "AbortMultipartUpload" if method == "DELETE" else "ListMultipartUploadParts"
    names = {"GET": f"GetObject{version}", "HEAD": f"GetObject{version}", "DELETE": f"DeleteObject{version}"}
    return names.get(method, "PutObject")


def _of_bucket(call: Call, method: str, bucket: str, query: Mapping[str, str]) -> Asked:
    arn = f"arn:aws:s3:::{bucket}"
    for name, what in _OF_BUCKET.items():
        if name in query:
            return call.asks(arn, action=f"s3:{'Get' if method == 'GET' else 'Put'}{what}")
    if method == "GET" and "location" in query:
        return call.asks(arn, action="s3:GetBucketLocation")
    if method == "GET" and "versions" in query:
        return call.asks(arn, _listed(query), action="s3:ListBucketVersions")
    if method in {"GET", "HEAD"}:
        return call.asks(arn, _listed(query), action="s3:ListBucket")
    names = {"PUT": "CreateBucket", "DELETE": "DeleteBucket", "POST": "DeleteObject"}
    return call.asks(arn if method != "POST" else f"{arn}/*", action=f"s3:{names.get(method, 'PutObject')}")


def _listed(query: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    names = ("prefix", "delimiter", "max-keys")
    return {f"s3:{name}": (query[name],) for name in names if name in query}


def of_distributions(call: Call, method: str, path: str) -> Iterator[Asked]:
    """CloudFront, whose paths are `/VERSION/distribution/ID/…`; it has no region."""
    parts = path.strip("/").split("/")[1:]
    kind, ident, below = (*parts, "", "", "")[:3]
    verb = {"GET": "Get", "POST": "Create", "PUT": "Update", "DELETE": "Delete"}.get(method, "Get")
    if kind == "distribution" and below.startswith("invalidation"):
        name = "ListInvalidations" if method == "GET" and len(parts) == 3 else f"{verb}Invalidation"
    elif kind == "distribution":
        name = "ListDistributions" if method == "GET" and not ident else f"{verb}Distribution"
    else:
        name = f"{verb}{kind.title().replace('-', '')}"
    resource = f"arn:aws:cloudfront::{call.account}:{kind}/{ident}" if ident else "*"
    yield call.asks(resource, action=f"cloudfront:{name}")
