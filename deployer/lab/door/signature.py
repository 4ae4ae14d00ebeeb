"""AWS Signature Version 4 (IAM user guide, "Create a signed AWS API request")."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
_TIME = "%Y%m%dT%H%M%SZ"
_UNRESERVED = "-_.~"
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM}\s+Credential=(?P<credential>[^\s,]+)\s*,\s*SignedHeaders=(?P<headers>[^\s,]+)\s*,"
    r"\s*Signature=(?P<signature>[0-9a-f]+)\s*"
)


class NotSigned(ValueError):
    """The request carries no signature of this kind; the text says what is missing."""


@dataclass(frozen=True)
class Scope:
    """What a key is used for: its id, then date, region and service, `/aws4_request` at the end."""

    key_id: str
    date: str
    region: str
    service: str

    @classmethod
    def parse(cls, text: str) -> Scope:
        """Reads a Credential. Raises NotSigned."""
        parts = text.split("/")
        if len(parts) != 5 or parts[4] != "aws4_request" or not all(parts):
            raise NotSigned(f"Credential is {text!r}; expected KEY/DATE/REGION/SERVICE/aws4_request")
        return cls(*parts[:4])

    @property
    def credential(self) -> str:
        """As it stands in a request."""
        return f"{self.key_id}/{self.text}"

    @property
    def text(self) -> str:
        """Without the key's id."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True)
class Sent:
    """A request's head as it came: the path still percent-encoded, header names in lower case and with hyphens."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]

    def parameters(self) -> dict[str, str]:
        """The query's fields, decoded; of a repeated one the last."""
        return dict(_pairs(self.query))


@dataclass(frozen=True)
class Signature:
    """What a request says of its own signature."""

    scope: Scope
    at: datetime
    headers: tuple[str, ...]
    value: str
    token: str
    """The session token, for temporary credentials."""
    lasts: int | None = None
    """For a presigned URL: how long it is good for (seconds)."""

    @classmethod
    def of(cls, sent: Sent) -> Signature:
        """The signature in the Authorization header, else in the query. Raises NotSigned."""
        if "authorization" in sent.headers:
            return cls._of_header(sent.headers)
        return cls._of_query(sent.parameters())

    @classmethod
    def _of_header(cls, headers: Mapping[str, str]) -> Signature:
        found = _AUTHORIZATION.fullmatch(headers["authorization"])
        if found is None:
            raise NotSigned(f"the Authorization header is not that of {ALGORITHM}")
        return cls(
            Scope.parse(found["credential"]),
            _time(headers.get("x-amz-date", "")),
            tuple(found["headers"].split(";")),
            found["signature"],
            headers.get("x-amz-security-token", ""),
        )

    @classmethod
    def _of_query(cls, fields: Mapping[str, str]) -> Signature:
        if fields.get("X-Amz-Algorithm") != ALGORITHM:
            raise NotSigned("there is no Authorization header, and no signature in the query")
        lasts = fields.get("X-Amz-Expires", "")
        # A week is the longest (S3 API reference, "Authenticating requests: using query parameters").
        if not lasts.isdecimal() or not 0 < int(lasts) <= 604_800:
            raise NotSigned(f"X-Amz-Expires is {lasts!r}; expected seconds from 1 to 604800")
        return cls(
            Scope.parse(fields.get("X-Amz-Credential", "")),
            _time(fields.get("X-Amz-Date", "")),
            tuple(fields.get("X-Amz-SignedHeaders", "").split(";")),
            fields.get("X-Amz-Signature", ""),
            fields.get("X-Amz-Security-Token", ""),
            int(lasts),
        )

    def matches(self, sent: Sent, payload: str, secret: str) -> bool:
        """Whether it was made with `secret` over this request; `payload` is the body's hash or its stand-in."""
        if "host" not in self.headers or self.scope.date != self.at.strftime("%Y%m%d"):
            return False
        made = signature_of(sent, self.headers, payload, self.at, self.scope, secret)
        return hmac.compare_digest(made, self.value)


def signature_of(sent: Sent, headers: Sequence[str], payload: str, at: datetime, scope: Scope, secret: str) -> str:
    """The signature over the request and these of its headers."""
    canonical = "\n".join(
        (
            sent.method,
            _canonical_path(sent.path, scope.service),
            _canonical_query(sent.query),
            *(f"{name}:{' '.join(sent.headers.get(name.replace('_', '-'), '').split())}" for name in headers),
            "",
            ";".join(headers),
            payload,
        )
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join((ALGORITHM, at.strftime(_TIME), scope.text, digest))
    key = f"AWS4{secret}".encode()
    for part in scope.text.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


def sign(method: str, url: str, body: bytes, key: tuple[str, str], service: str, at: datetime) -> dict[str, str]:
    """The headers that sign a request with `key`, its id and its secret."""
    parts = urlsplit(url)
    scope = Scope(key[0], at.strftime("%Y%m%d"), "local", service)
    headers = {"host": parts.netloc, "x-amz-date": at.strftime(_TIME)}
    sent = Sent(method, parts.path, parts.query, headers)
    payload = hashlib.sha256(body).hexdigest()
    value = signature_of(sent, sorted(headers), payload, at, scope, key[1])
    signed = ";".join(sorted(headers))
    said = f"{ALGORITHM} Credential={scope.credential}, SignedHeaders={signed}, Signature={value}"
    return {"X-Amz-Date": headers["x-amz-date"], "Authorization": said}


def _time(text: str) -> datetime:
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError:
        raise NotSigned(f"X-Amz-Date is {text!r}; expected a time such as 20260131T120000Z") from None


def _canonical_path(path: str, service: str) -> str:
    """S3's paths are signed as they are sent; all others normalised, and encoded once more."""
    if service == "s3":
        return path or "/"
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del kept[-1:]
        elif part and part != ".":
            kept.append(part)
    end = "/" if kept and path.endswith("/") else ""
    return quote("/" + "/".join(kept) + end, safe="/" + _UNRESERVED)


def _canonical_query(query: str) -> str:
    fields = sorted(
        (quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED))
        for name, value in _pairs(query)
        if name != "X-Amz-Signature"
    )
    return "&".join(f"{name}={value}" for name, value in fields)


def _pairs(query: str) -> list[tuple[str, str]]:
    parts = (part.partition("=") for part in query.split("&") if part)
    return [(unquote(name), unquote(value)) for name, _, value in parts]
