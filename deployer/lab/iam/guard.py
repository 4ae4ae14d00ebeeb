"""Holds each request against its caller's policies, and keeps a trail of what was asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployer.lab.aws_errors import ApiCall, ApiFault
from deployer.lab.door.door import IDENTITY
from deployer.lab.door.keys import Key
from deployer.lab.iam.call import World
from deployer.lab.iam.identities import policies_of
from deployer.lab.iam.policy import Answer, Asked, Policies
from deployer.lab.iam.reading import Request, rights

_LONGEST_TRAIL = 64 * 2**20
"""Bytes of the trail; what comes after is not kept."""


@dataclass
class Guard:
    """Says which requests may be done. The trail has a JSON line for every right that was asked for."""

    account: str
    region: str
    world: World
    trail: Path
    policies: Callable[[Key], Policies | None] = policies_of
    clock: Callable[[], float] = time.time
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, environ: Mapping[str, Any], call: ApiCall, body: bytes) -> ApiFault | None:
        """Why the request is not done, None when it is."""
        who: Key | None = environ.get(IDENTITY)
        policies = self.policies(who) if who is not None else None
        if who is None or policies is None:
            return None
        request = Request(
            call=call,
            method=environ["REQUEST_METHOD"],
            path=environ["PATH_INFO"],
            query=environ.get("QUERY_STRING", ""),
            body=body,
            region=call.region or self.region,
            who=who,
        )
        for asked in rights(request, self.account, self.world, self.clock()):
            answer = policies.answer(asked)
            self._keep(who, asked, answer)
            if answer is not Answer.ALLOWED:
                return denial(call, who, asked, answer)
        return None

    def _keep(self, who: Key, asked: Asked, answer: Answer) -> None:
        line = {
            "at": round(self.clock(), 3),
            "who": who.arn,
            "action": asked.action,
            "resource": asked.resource,
            "answer": answer.value,
            "context": {key: list(values) for key, values in asked.context.items()},
        }
        with self._lock, self.trail.open("a") as file:
            if file.tell() < _LONGEST_TRAIL:
                file.write(json.dumps(line) + "\n")


def denial(call: ApiCall, who: Key, asked: Asked, answer: Answer) -> ApiFault:
    """As AWS says it (IAM user guide, "Troubleshoot access denied error messages")."""
    why = (
        "with an explicit deny in an identity-based policy"
        if answer is Answer.EXPLICIT
        else f"because no identity-based policy allows the {asked.action} action"
    )
    text = f"User: {who.arn} is not authorized to perform: {asked.action} on resource: {asked.resource} {why}"
    if call.service == "ec2":
        return ApiFault(403, "UnauthorizedOperation", f"You are not authorized to perform this operation. {text}")
    if call.protocol in {"json", "rest-json"}:
        return ApiFault(400, "AccessDeniedException", text)
    return ApiFault(403, "AccessDenied", text)
