"""`webhook`: an HTTP request to somebody else's service; as a hook, and as a gate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from deployer.hooks.contract import HookCall, HookOutcome, Judgement, document_of, error, failed, judged, passed
from deployer.hooks.doors import DoorMissing, Doors
from deployer.hooks.web import NoAnswer, Reply, Request, as_json, check_url, send
from deployer.model.occasions import Verdict


@dataclass(frozen=True)
class Webhook:
    """Posts the JSON document to `url`. 2xx passes, any other status fails, no answer is an error.

    `url_env` names a variable that holds the address, for one that is a secret. `token_env` names one whose
    value is sent as `Authorization: Bearer …`. Redirects are not followed.

    As a gate it goes by `{"verdict": "pass", "detail": "…"}` in the answer; the verdicts are pass, fail, pending,
    error and inconclusive. An answer that is not that, or none, is an error.
    """

    url: str = ""
    url_env: str = ""
    token_env: str = ""
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if bool(self.url) == bool(self.url_env):
            raise ValueError("needs exactly one of url and url_env")
        if self.url:
            check_url(self.url)

    def run(self, call: HookCall, doors: Doors) -> HookOutcome:
        """See `Hook`."""
        try:
            reply = _post(self, call, doors)
        except (NoAnswer, DoorMissing) as problem:
            return error(str(problem))
        said = f"{reply.text()[:2000]}\nanswered {reply.status}"
        return passed(said) if reply.ok else failed(said)

    def judge(self, call: HookCall, doors: Doors) -> Judgement:
        """See `Gate`."""
        try:
            reply = _post(self, call, doors)
        except (NoAnswer, DoorMissing) as problem:
            return judged(Verdict.ERROR, str(problem))
        if not reply.ok:
            return judged(Verdict.ERROR, f"answered {reply.status}")
        try:
            said = json.loads(reply.body)
            return judged(Verdict(said["verdict"]), str(said.get("detail", "")))
        except (ValueError, KeyError, TypeError, AttributeError):
            return judged(Verdict.ERROR, 'answered something else than {"verdict": "pass" | "fail" | …}')


def address_of(url: str, variable: str, doors: Doors) -> str:
    """The address itself, or what the variable holds. Raises DoorMissing."""
    if not variable:
        return url
    try:
        return check_url(doors.secret(variable, "an address"))
    except ValueError as problem:
        raise DoorMissing(f"the variable {variable} does not hold an http or https address") from problem


def _post(hook: Webhook, call: HookCall, doors: Doors) -> Reply:
    headers = {"Content-Type": "application/json", "User-Agent": "deployer", **hook.headers}
    if hook.token_env:
        headers["Authorization"] = f"Bearer {doors.secret(hook.token_env, 'a token')}"
    headers["Idempotency-Key"] = call.run_id
    url = address_of(hook.url, hook.url_env, doors)
    return send(Request(url, hook.method, headers, as_json(document_of(call)), call.deadline), doors.now)
