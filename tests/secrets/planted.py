"""Secrets as scripts, hooks, exceptions and settings print them: the text, and what may not be left of it.

They are put together here so that no scanner of a code host takes the file for a leak.
"""

from __future__ import annotations

import base64

HANDED = {
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYSECRETKEY",
    "AWS_SESSION_TOKEN": "AQoEXAMPLEH4aoAH0gNCAPyJxz4BlCFFxWNE1OPTgk5TthT+FvwqnKwRcOIfrRh3c",
    "DB_PASSWORD": "correct horse, battery;staple",
    "DEPLOY_TOKEN": 'q"uo\\ted/läden&more',
}
"""What the process has in its environment."""

_LETTERS = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zAbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
_HEX = "0123456789abcdef" * 8
_ARMOUR = "PRIVATE KEY-----"
_BODY = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtz"


def _key(kind: str) -> str:
    return f"-----BEGIN {kind}{_ARMOUR}\n{_BODY}\n{_BODY[::-1]}\n-----END {kind}{_ARMOUR}"


_BASIC = base64.b64encode(b"user:hunter6SECRET").decode()
_JWT = ".".join(
    ("eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0NTY3ODkwIn0", "dBjftJeZ4CVPmB92K27uhbUJU1p1r0wW1gFWFOEjXk")
)

PLANTED: dict[str, tuple[str, str]] = {
    "handed: key": (f"signed with {HANDED['AWS_SECRET_ACCESS_KEY']} here", HANDED["AWS_SECRET_ACCESS_KEY"]),
    "handed: token": (f"token was {HANDED['AWS_SESSION_TOKEN']} here", HANDED["AWS_SESSION_TOKEN"]),
    "handed: password": (f"login of app with {HANDED['DB_PASSWORD']} failed", HANDED["DB_PASSWORD"]),
    "handed: odd": (f"sent {HANDED['DEPLOY_TOKEN']} to it", HANDED["DEPLOY_TOKEN"]),
    "handed: in a URL": ("GET /x?with=q%22uo%5Cted%2Fl%C3%A4den%26more", "q%22uo%5Cted"),
    "handed: in Base64": (
        "got " + base64.b64encode(b"u:" + HANDED["AWS_SECRET_ACCESS_KEY"].encode()).decode() + " there",
        base64.b64encode(b"u:" + HANDED["AWS_SECRET_ACCESS_KEY"].encode()).decode()[8:40],
    ),
    "env: AWS": (f"AWS_SECRET_ACCESS_KEY={_LETTERS[:40]}", _LETTERS[:40]),
    "env: password": ("DB_PASSWORD=hunter2,SECRET;x", "hunter2,SECRET;x"),
    "env: pass": ("export DB_PASS=hunter3SECRET", "hunter3SECRET"),
    "env: key": ("SECRET_KEY=django-insecure-SECRET(x)", "insecure-SECRET(x)"),
    "settings: small letters": (f"aws_secret_access_key = {_LETTERS[:40]}", _LETTERS[:40]),
    "yaml": ("password: hunter4SECRET", "hunter4SECRET"),
    "json": ('{"user": "bob", "password": "hunter5 SECRET"}', "hunter5 SECRET"),
    "json in json": ('{"m": "{\\"password\\": \\"hunter7SECRET\\"}"}', "hunter7SECRET"),
    "xml": (f"<SecretAccessKey>{_LETTERS[:40]}</SecretAccessKey>", _LETTERS[:40]),
    "option": ("mysql --password hunter8SECRET app", "hunter8SECRET"),
    "option in a list": ("['mysql', '--password', 'hunter9SECRET']", "hunter9SECRET"),
    "curl": ("curl -u bob:hunter10SECRET https://x", "hunter10SECRET"),
    "netrc": ("machine x login bob password hunter11SECRET", "hunter11SECRET"),
    "basic": (f"> Authorization: Basic {_BASIC}", _BASIC),
    "bearer": (f"-H Bearer {_LETTERS[:30]}", _LETTERS[:30]),
    "sigv4": (f"Authorization: AWS4-HMAC-SHA256 Credential=x/y, Signature={_HEX[:64]}", _HEX[:64]),
    "url": ("redis://:hunter12SECRET@cache:6379/0", "hunter12SECRET"),
    "presigned": (f"https://b.s3.amazonaws.com/k?X-Amz-Date=1&X-Amz-Signature={_HEX[:64]}", _HEX[:64]),
    "access key id": ("the key AKIA" + "IOSFODNN7EXAMPLE", "AKIA" + "IOSFODNN7EXAMPLE"),
    "session token": ("got IQoJb3JpZ2lu" + _LETTERS, _LETTERS),
    "private key": (_key("OPENSSH "), _BODY),
    "private key cut off": (_key("RSA ").split("\n", 1)[1], _BODY[::-1]),
    "pgp": (_key("PGP ").replace("KEY-----", "KEY BLOCK-----"), _BODY),
    "jwt": (f"id {_JWT}", _JWT),
    "github": (f"ghp_{_LETTERS[:36]}", _LETTERS[:36]),
    "github fine": (f"github_pat_{_LETTERS[:50]}", _LETTERS[:50]),
    "gitlab": (f"glpat-{_LETTERS[:20]}", _LETTERS[:20]),
    "npm": (f"npm_{_LETTERS[:36]}", _LETTERS[:36]),
    "npmrc": (f"//registry.npmjs.org/:_auth={_BASIC}", _BASIC),
    "docker config": (f'{{"auths": {{"r": {{"auth": "{_BASIC}"}}}}}}', _BASIC),
    "pypi": (f"pypi-AgEIcHlwaS5vcmc{_LETTERS[:30]}", _LETTERS[:30]),
    "slack url": ("https://hooks.slack.com/services/T000/B000/" + "XXXXslackSECRET", "XXXXslackSECRET"),
    "slack token": (f"xoxb-123456789012-{_LETTERS[:24]}", _LETTERS[:24]),
    "stripe": (f"sk_live_{_LETTERS[:24]}", _LETTERS[:24]),
    "sendgrid": (f"SG.{_LETTERS[:22]}.{_LETTERS[:43]}", _LETTERS[:22]),
    "twilio": (f"SK{_HEX[:32]}", _HEX[:32]),
    "google": (f"AIza{_LETTERS[:35]}", _LETTERS[:35]),
    "sentry dsn": (f"https://{_HEX[:32]}@o1.ingest.sentry.io/2", _HEX[:32]),
    "vault": (f"hvs.{_LETTERS[:24]}", _LETTERS[:24]),
    "openai": (f"sk-proj-{_LETTERS[:40]}", _LETTERS[:40]),
    "databricks": (f"dapi{_HEX[:32]}", _HEX[:32]),
    "age": ("AGE-SECRET-KEY-1" + _LETTERS.upper()[:58], _LETTERS.upper()[:58]),
    "shadow": ("root:$6$rounds5000$" + _LETTERS[:50] + ":19000", _LETTERS[:50]),
    "cookie": ("Set-Cookie: session=hunter13SECRET", "hunter13SECRET"),
}
