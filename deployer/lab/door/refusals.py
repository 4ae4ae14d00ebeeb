"""Why a request does not get in, in the words and the shape of the service that was called."""

from __future__ import annotations

from enum import Enum

from deployer.lab.aws_errors import ApiCall, ApiFault


class Refusal(Enum):
    """What is wrong with a request's signature."""

    NONE = "none"
    UNKNOWN_KEY = "unknown key"
    WRONG_TOKEN = "wrong token"
    KEY_EXPIRED = "key expired"
    WRONG_SIGNATURE = "wrong signature"
    WRONG_BODY = "wrong body"
    STALE = "stale"
    URL_EXPIRED = "url expired"


_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method."
)
_S3 = {
    Refusal.NONE: ("AccessDenied", "Access Denied"),
    Refusal.UNKNOWN_KEY: (
        "InvalidAccessKeyId",
        "The AWS Access Key Id you provided does not exist in our records.",
    ),
    Refusal.WRONG_TOKEN: ("InvalidToken", "The provided token is malformed or otherwise invalid."),
    Refusal.KEY_EXPIRED: ("ExpiredToken", "The provided token has expired."),
    Refusal.WRONG_SIGNATURE: ("SignatureDoesNotMatch", _MISMATCH),
    Refusal.WRONG_BODY: (
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    ),
    Refusal.STALE: (
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
    ),
    Refusal.URL_EXPIRED: ("AccessDenied", "Request has expired"),
}
_S3_BAD_REQUESTS = frozenset({"InvalidToken", "ExpiredToken", "XAmzContentSHA256Mismatch"})
_QUERY = {
    Refusal.NONE: ("MissingAuthenticationToken", "Request is missing Authentication Token"),
    Refusal.UNKNOWN_KEY: ("InvalidClientTokenId", "The security token included in the request is invalid."),
    Refusal.WRONG_TOKEN: ("InvalidClientTokenId", "The security token included in the request is invalid."),
    Refusal.KEY_EXPIRED: ("ExpiredToken", "The security token included in the request is expired"),
    Refusal.WRONG_SIGNATURE: (
        "SignatureDoesNotMatch",
        f"{_MISMATCH} Consult the service documentation for details.",
    ),
    Refusal.WRONG_BODY: ("SignatureDoesNotMatch", f"{_MISMATCH} Consult the service documentation for details."),
    Refusal.STALE: ("SignatureDoesNotMatch", "Signature expired: the request is more than 15 minutes old."),
    Refusal.URL_EXPIRED: ("SignatureDoesNotMatch", "Signature expired: the URL was good until earlier."),
}
_JSON_CODES = {
    "MissingAuthenticationToken": "MissingAuthenticationTokenException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "ExpiredToken": "ExpiredTokenException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
}


def fault_of(call: ApiCall, refusal: Refusal) -> ApiFault:
    """The error that the called service answers with.

    Codes and texts of S3's "Error responses", EC2's "Error codes" and the query services' "Common errors"; the
    JSON 1.x protocols send theirs with 400 (the services' "Common errors", as botocore's recordings have them).
    """
    if call.protocol == "rest-xml":
        code, text = _S3[refusal]
        return ApiFault(400 if code in _S3_BAD_REQUESTS else 403, code, text)
    code, text = _QUERY[refusal]
    match call.protocol:
        case "ec2":
            said = "AWS was not able to validate the provided access credentials"
            return ApiFault(401, "AuthFailure", said) if refusal is not Refusal.STALE else _stale_in_ec2()
        case "json":
            return ApiFault(400, _JSON_CODES[code], text)
        case "rest-json":
            return ApiFault(403, _JSON_CODES[code], text)
        case _:
            return ApiFault(403, code, text)


def _stale_in_ec2() -> ApiFault:
    return ApiFault(400, "RequestExpired", "Request has expired.")
