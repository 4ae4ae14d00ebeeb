"""The lab's door: a WSGI application in front of all others."""

from __future__ import annotations

import hashlib
import io
import ipaddress
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from deployer.lab.aws_errors import ApiCall, ApiFault, StartResponse, recognise, respond
from deployer.lab.control import CONTROL_PATH, send
from deployer.lab.door import url_signature
from deployer.lab.door.keys import Key, Keyring
from deployer.lab.door.refusals import Refusal, fault_of
from deployer.lab.door.signature import UNSIGNED, NotSigned, Sent, Signature

Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

IDENTITY = "deployer.lab.identity"
"""Where the WSGI environment tells the rooms behind the door who calls (a `Key`)."""
_SKEW = 900.0
"""How far a request's time may be from the lab's (seconds); AWS allows 15 minutes."""
_LARGEST_BODY = 64 * 2**20
"""Of a request whose body has to be read before its signature can be judged (S3's do not)."""
_HEARD_OUT = 2**20
"""How much of a refused request is read (bytes)."""
_HIDDEN = ("/moto-api", "/favicon.ico", "/latest/")
"""moto's own pages and its stand-in for the metadata service, which ask for no signature."""


class _Refused(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


@dataclass
class Door:
    """Lets in what is signed with a key of the lab, and tells the application behind whose key it was."""

    behind: Application
    keys: Keyring
    clock: Callable[[], float] = time.time

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        sent = _sent(environ)
        strange = _stranger(sent, environ["PATH_INFO"])
        if strange is not None:
            return _refuse(environ, _call(environ), ApiFault(403, "AccessDenied", strange), start_response)
        try:
            key = self._key(environ, sent)
        except _Refused as refused:
            call = _call(environ)
            return _refuse(environ, call, fault_of(call, refused.refusal), start_response)
        environ[IDENTITY] = key
        if environ["PATH_INFO"].startswith(CONTROL_PATH) and not key.owner:
            denied = ApiFault(403, "AccessDenied", "The lab's own pages are for the key of its owner.")
            return _refuse(environ, _call(environ), denied, start_response)
        return self.behind(environ, start_response)

    def _key(self, environ: dict[str, Any], sent: Sent) -> Key:
        """Whose request it is. Raises _Refused."""
        try:
            signature = Signature.of(sent)
        except NotSigned:
            if "authorization" in sent.headers:
                raise _Refused(Refusal.NONE) from None
            token = _web_identity(environ)
            return self._usable(token, "") if token is not None else self._key_of_older_url(sent)
        key = self._usable(signature.scope.key_id, signature.token)
        self._check_time(signature)
        payload = _payload(environ, sent, signature)
        if not signature.matches(sent, payload, key.secret):
            raise _Refused(Refusal.WRONG_SIGNATURE)
        _check_body(environ, sent, payload)
        return key

    def _key_of_older_url(self, sent: Sent) -> Key:
        try:
            key_id = url_signature.key_of(sent)
        except NotSigned:
            raise _Refused(Refusal.NONE) from None
        key = self._usable(key_id, sent.parameters().get("x-amz-security-token", ""))
        if url_signature.expires(sent) < self.clock():
            raise _Refused(Refusal.URL_EXPIRED)
        if not url_signature.matches(sent, key.secret):
            raise _Refused(Refusal.WRONG_SIGNATURE)
        return key

    def _usable(self, key_id: str, token: str) -> Key:
        key = self.keys(key_id)
        if key is None:
            raise _Refused(Refusal.UNKNOWN_KEY)
        if token != key.token:
            raise _Refused(Refusal.WRONG_TOKEN)
        if key.expires is not None and key.expires <= self.clock():
            raise _Refused(Refusal.KEY_EXPIRED)
        return key

    def _check_time(self, signature: Signature) -> None:
        at, now = signature.at, datetime.fromtimestamp(self.clock(), UTC)
        age = (now - at).total_seconds()
        if signature.lasts is not None and age > signature.lasts:
            raise _Refused(Refusal.URL_EXPIRED)
        if age < -_SKEW or (signature.lasts is None and age > _SKEW):
            raise _Refused(Refusal.STALE)


def _web_identity(environ: dict[str, Any]) -> str | None:
    """The token of an AssumeRoleWithWebIdentity, the one call that needs no signature; None for any other.

    STS API reference: "Calling AssumeRoleWithWebIdentity does not require the use of AWS security credentials".
    """
    form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
    if not form or int(environ.get("CONTENT_LENGTH") or 0) > _HEARD_OUT:
        return None
    fields = parse_qs(_read(environ).decode("utf-8", "replace"))
    if fields.get("Action") != ["AssumeRoleWithWebIdentity"]:
        return None
    return fields.get("WebIdentityToken", [""])[0]


def _sent(environ: Mapping[str, Any]) -> Sent:
    """The request as it came over the wire, from what werkzeug keeps of it."""
    asked: str = environ["REQUEST_URI"]
    target = urlsplit(f"http://lab{asked}" if asked.startswith("/") else asked)
    headers = {
        name[5:].replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    headers["content-length"] = environ.get("CONTENT_LENGTH", "")
    return Sent(environ["REQUEST_METHOD"], target.path, target.query, headers)


def _stranger(sent: Sent, path: str) -> str | None:
    """Why a request is not from a tool on this machine, None when it may be.

    Browsers send Origin with what another site's page asks for, and the name that they found the lab by as Host,
    also when that name was pointed at a loopback address.
    """
    if "origin" in sent.headers or sent.headers.get("sec-fetch-site", "none") != "none":
        return "The lab answers no web page."
    host = sent.headers.get("host", "")
    if not _is_here(host):
        return f"The lab answers to 127.0.0.1 and localhost, and the request is for the host {host!r}."
    if path.startswith(_HIDDEN):
        return f"The lab has no {path}."
    return None


def _is_here(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _payload(environ: dict[str, Any], sent: Sent, signature: Signature) -> str:
    """What the signature has in place of the body. Raises _Refused."""
    if signature.lasts is not None and signature.scope.service == "s3":
        return UNSIGNED
    said = sent.headers.get("x-amz-content-sha256")
    # Of an upload in signed chunks the first signature is checked, over the head; the chunks' own are not.
    if said is not None and (signature.scope.service == "s3" or len(said) == 64):
        return said
    return hashlib.sha256(_read(environ)).hexdigest()


def _check_body(environ: dict[str, Any], sent: Sent, payload: str) -> None:
    if len(payload) == 64 and "x-amz-content-sha256" in sent.headers:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or -1)) if _has_body(environ) else b""
        environ["wsgi.input"] = io.BytesIO(body)
        if hashlib.sha256(body).hexdigest() != payload:
            raise _Refused(Refusal.WRONG_BODY)


def _has_body(environ: Mapping[str, Any]) -> bool:
    return bool(int(environ.get("CONTENT_LENGTH") or 0)) or bool(environ.get("wsgi.input_terminated"))


def _read(environ: dict[str, Any]) -> bytes:
    """The body, put back for those behind."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > _LARGEST_BODY:
        raise _Refused(Refusal.WRONG_BODY)
    body: bytes = b""
    if _has_body(environ):
        body = environ["wsgi.input"].read(length or _LARGEST_BODY)
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _call(environ: dict[str, Any]) -> ApiCall:
    """Which call was tried, to answer in its protocol."""
    form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
    small = int(environ.get("CONTENT_LENGTH") or 0) <= _LARGEST_BODY
    body = _read(environ) if form and small and not environ.get("wsgi.input_terminated") else b""
    return recognise(environ, body)


def _refuse(
    environ: dict[str, Any], call: ApiCall, fault: ApiFault, start_response: StartResponse
) -> Iterable[bytes]:
    """The error, after so much of the body that an ordinary client gets to it."""
    if not isinstance(environ["wsgi.input"], io.BytesIO) and _has_body(environ):
        environ["wsgi.input"].read(min(int(environ.get("CONTENT_LENGTH") or _HEARD_OUT), _HEARD_OUT))
    if environ["PATH_INFO"].startswith(CONTROL_PATH):
        return send(start_response, f"{fault.status} Forbidden", {"error": fault.message})
    answer = respond(call, fault, start_response)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else answer
