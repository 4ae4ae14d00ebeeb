"""Finds where the lab's load balancer can be reached, as its tag says."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from deployer.lab.load.generator import Target
from deployer.lab.load.shapes import Shape, unfit
from deployer.model.errors import DeployerError, ExitCode, UsageError

if TYPE_CHECKING:
    from mypy_boto3_elbv2.type_defs import TagTypeDef

ENDPOINT_TAG = "lab:endpoint"
"""Set by the lab on every load balancer: `host:port`, since a DNS name does not resolve and port 80 needs root."""
_LOOK_AGAIN = 0.1


class NoAnswer(DeployerError):
    """Nothing behind the balancer answered in time."""

    exit_code = ExitCode.NEEDS_A_HAND


def parse_target(text: str) -> Target:
    """Reads `host:port`. Raises UsageError for anything else."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(f"expected HOST:PORT such as 127.0.0.1:8080, found {text!r}")
    return Target(host, int(port))


@dataclass(frozen=True)
class Front:
    """A balancer of the lab, as clients see it."""

    endpoint: str
    """`host:port`."""
    passes_on: bool
    """Whether its listener passes connections on, as those of an NLB do, rather than speaking HTTP."""


def find_endpoint(
    environment: Mapping[str, str], balancer: str | None = None, shape: Shape | None = None
) -> Target:
    """The endpoint of `balancer`, else of the lab's only one; the lab is the one that AWS_ENDPOINT_URL names.

    Raises UsageError when there is no lab, not exactly one balancer, or one that cannot carry `shape`.
    """
    url = environment.get("AWS_ENDPOINT_URL", "")
    if not (urlsplit(url).hostname or "").startswith("127."):
        found = f"{url!r}, which is not a lab" if url else "not set, so this shell has no lab"
        raise UsageError(
            f"AWS_ENDPOINT_URL is {found}; "
            'start one with `eval "$(deployer lab up)"`, '
            "or name what to call with --target HOST:PORT"
        )
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    key = tuple(environment.get(name, "") for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    if not all(key):
        raise UsageError(
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set; expected the lab's own, "
            'from `eval "$(deployer lab up)"`'
        )
    return choose(_fronts(url, region, *key), balancer, shape)


def choose(fronts: Mapping[str, Front], balancer: str | None, shape: Shape | None) -> Target:
    """The endpoint of the balancer of that name, else of the only one; raises what `find_endpoint` does."""
    chosen = {name: front for name, front in fronts.items() if balancer in (None, name)}
    if len(chosen) != 1:
        found = ", ".join(f"{name} at {front.endpoint}" for name, front in fronts.items()) or "none"
        raise UsageError(f"expected one load balancer in the lab, found {found}; name one with --target HOST:PORT")
    [(name, front)] = chosen.items()
    why = None if shape is None or front.passes_on else unfit(shape)
    if shape is not None and why is not None:
        raise UsageError(f"--shape {shape.value} cannot be sent to {name}: {why}")
    return parse_target(front.endpoint)


def _fronts(url: str, region: str | None, key_id: str, secret: str) -> dict[str, Front]:
    """The load balancers with an endpoint, classic ones included, by name."""
    import boto3
    from botocore.config import Config

    # Given, not looked for: a profile of a real account has no business here.
    session = boto3.Session(key_id, secret, region_name=region or "eu-west-1")
    quick = Config(connect_timeout=5, read_timeout=20, retries={"max_attempts": 3, "mode": "standard"})
    found: dict[str, Front] = {}
    v2 = session.client("elbv2", endpoint_url=url, config=quick)
    balancers = {lb["LoadBalancerArn"]: lb for lb in v2.describe_load_balancers()["LoadBalancers"]}
    if balancers:
        for described in v2.describe_tags(ResourceArns=list(balancers))["TagDescriptions"]:
            lb = balancers[described["ResourceArn"]]
            found.update(_tagged(lb["LoadBalancerName"], described["Tags"], lb["Type"] == "network"))
    classic = session.client("elb", endpoint_url=url, config=quick)
    plain = {lb["LoadBalancerName"]: lb for lb in classic.describe_load_balancers()["LoadBalancerDescriptions"]}
    if plain:
        for entry in classic.describe_tags(LoadBalancerNames=list(plain))["TagDescriptions"]:
            listeners = plain[entry["LoadBalancerName"]]["ListenerDescriptions"]
            passes_on = all(one["Listener"]["Protocol"] in ("TCP", "SSL") for one in listeners)
            found.update(_tagged(entry["LoadBalancerName"], entry["Tags"], passes_on))
    return found


def _tagged(name: str, tags: Sequence[TagTypeDef], passes_on: bool) -> dict[str, Front]:
    return next(({name: Front(tag["Value"], passes_on)} for tag in tags if tag["Key"] == ENDPOINT_TAG), {})


def wait_until_it_answers(
    target: Target,
    seconds: float,
    ask: Callable[[Target], str] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Waits for a 200 at `/`. Raises NoAnswer after `seconds`, with what came last."""
    ask = ask or _ask
    deadline = clock() + seconds
    while (said := ask(target)) != "HTTP 200":
        if clock() > deadline:
            raise NoAnswer(f"http://{target}/ did not answer with 200 within {seconds:g} s; last: {said}")
        sleep(_LOOK_AGAIN)


def releases_shown(target: Target, times: int) -> frozenset[str]:
    """The releases that /api/time of the worked example shows, in so many requests of a connection each.

    A request without a sensible answer counts as `?`.
    """
    return frozenset(_shown(target) for _ in range(times))


def _shown(target: Target) -> str:
    try:
        status, body = _get(target, "/api/time")
        return str(json.loads(body)["release"]) if status == 200 else "?"
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return "?"


def _ask(target: Target) -> str:
    try:
        return f"HTTP {_get(target, '/')[0]}"
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__


def _get(target: Target, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(target.host, target.port, timeout=5)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
