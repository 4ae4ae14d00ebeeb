"""`release_mark`: tells Sentry which release runs where, so that errors are told apart by release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from deployer.hooks.contract import HookCall, HookOutcome, error, failed, passed
from deployer.hooks.doors import DoorMissing, Doors
from deployer.hooks.web import NoAnswer, Reply, Request, as_json, check_url, send
from deployer.model.plugin_fields import NotEmpty

_KNOWN = 208
"""Sentry's status for what was reported already. [Sentry API, "Create a new release"]"""


@dataclass(frozen=True)
class ReleaseMark:
    """Creates the release in Sentry's `organization` for `projects`, and records a deploy to `environment`.

    The version is `version` with `{release}` and `{fleet}` filled in. The token is in the variable `token_env`.
    """

    organization: str
    projects: Annotated[tuple[str, ...], NotEmpty()]
    environment: str = "production"
    version: str = "{fleet}@{release}"
    url: str = "https://sentry.io"
    token_env: str = "SENTRY_AUTH_TOKEN"

    def __post_init__(self) -> None:
        check_url(self.url)
        if not self.projects:
            raise ValueError("projects is empty; expected the slugs of one or more Sentry projects")

    def run(self, call: HookCall, doors: Doors) -> HookOutcome:
        """See `Hook`."""
        version = self.version.replace("{release}", call.release_to).replace("{fleet}", call.fleet)
        base = f"{self.url.rstrip('/')}/api/0/organizations/{quote(self.organization, safe='')}/releases/"
        release: dict[str, object] = {"version": version, "projects": list(self.projects)}
        deploy: dict[str, object] = {"environment": self.environment, "name": call.rollout}
        try:
            for url, body in ((base, release), (f"{base}{quote(version, safe='')}/deploys/", deploy)):
                reply = self._post(url, body, call, doors)
                if not reply.ok and reply.status != _KNOWN:
                    return failed(f"Sentry answered {reply.status}: {reply.text()[:300]}")
        except (NoAnswer, DoorMissing) as problem:
            return error(str(problem))
        return passed(f"release {version} deployed to {self.environment}")

    def _post(self, url: str, body: dict[str, object], call: HookCall, doors: Doors) -> Reply:
        token = doors.secret(self.token_env, "Sentry's token")
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return send(Request(url, "POST", headers, as_json(body), call.deadline), doors.now)
