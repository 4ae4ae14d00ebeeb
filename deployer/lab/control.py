"""The lab's own pages beside the AWS endpoint, for `deployer lab status` and for tests: small JSON documents."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from deployer.lab.aws_errors import StartResponse

CONTROL_PATH = "/_lab/"
"""No S3 bucket's name begins with an underscore, so nothing of AWS is hidden."""

_log = logging.getLogger(__name__)

Page = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Gets the request's document, gives the answer's. Raises ValueError for what it cannot take."""


class Control:
    """`GET` or `POST /_lab/NAME` → the page of that name.

    A POST must say that it is JSON, which a web page of another site cannot make a browser send.
    """

    def __init__(self) -> None:
        self._pages: dict[tuple[str, str], Page] = {}

    def get(self, name: str, page: Page) -> None:
        """Adds a page that only looks."""
        self._pages["GET", name] = page

    def post(self, name: str, page: Page) -> None:
        """Adds a page that changes something."""
        self._pages["POST", name] = page

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        method = environ.get("REQUEST_METHOD", "")
        name = environ["PATH_INFO"].removeprefix(CONTROL_PATH)
        page = self._pages.get((method, name))
        if page is None:
            known = ", ".join(sorted(f"{m} {CONTROL_PATH}{n}" for m, n in self._pages))
            return send(start_response, "404 Not Found", {"error": f"no {method} {name}; there is: {known}"})
        if method == "POST" and not environ.get("CONTENT_TYPE", "").startswith("application/json"):
            return send(start_response, "415 Unsupported Media Type", {"error": "expected application/json"})
        try:
            length = int(environ.get("CONTENT_LENGTH") or 0)
            asked = json.loads(environ["wsgi.input"].read(length)) if length else {}
            return send(start_response, "200 OK", page(asked))
        except ValueError as trouble:
            return send(start_response, "400 Bad Request", {"error": str(trouble)})
        except (KeyError, TypeError) as trouble:
            return send(start_response, "400 Bad Request", {"error": f"the document lacks or misuses {trouble}"})
        except Exception as trouble:  # noqa: BLE001 - a page that fails must not end the lab
            _log.exception("%s %s failed", method, name)
            return send(start_response, "500 Internal Server Error", {"error": str(trouble)})


def send(start_response: StartResponse, status: str, document: Mapping[str, Any]) -> Iterable[bytes]:
    """Answers with a JSON document."""
    data = json.dumps(document).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
    return [data]
