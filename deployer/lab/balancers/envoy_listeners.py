"""Envoy's listeners and routes, as the JSON documents it reads. Pure."""

from __future__ import annotations

import re
from pathlib import Path

from deployer.lab.balancers import traffic
from deployer.lab.balancers.envoy_clusters import TYPE, JsonObject, file_source, seconds
from deployer.lab.balancers.specs import (
    Action,
    FixedResponse,
    Forward,
    ListenerSpec,
    Redirect,
    Rule,
    Share,
)

LISTENER_TYPE = TYPE + "envoy.config.listener.v3.Listener"
ROUTES_TYPE = TYPE + "envoy.config.route.v3.RouteConfiguration"
HTTP_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
TCP_PROXY = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
ACCESS_LOG = "envoy.extensions.access_loggers.file.v3.FileAccessLog"
ROUTER = "envoy.extensions.filters.http.router.v3.Router"
STICKY = "envoy.filters.http.stateful_session"
STICKY_CONFIG = TYPE + "envoy.extensions.filters.http.stateful_session.v3."
COOKIE_STATE = TYPE + "envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState"
TARGET_COOKIE = "AWSALB"
GROUP_COOKIE = "AWSALBTG"

# Connection refused, reset or ended before the answer, and answers that are no HTTP: an ALB says
# 502 where Envoy would say 503.
BROKEN_TARGET = ["UF", "UC", "UR", "UPE"]
PAGES = {
    502: "502 Bad Gateway",
    503: "503 Service Temporarily Unavailable",
    504: "504 Gateway Time-out",
}
REDIRECT_CODES = {301: "MOVED_PERMANENTLY", 302: "FOUND"}


def listener(spec: ListenerSpec, folder: Path) -> JsonObject:
    """One listener: HTTP with routes in a file of their own, or plain TCP."""
    network_filter = http_manager(spec, folder) if spec.http else tcp_proxy(spec)
    return {
        "name": spec.name,
        "address": {"socket_address": {"address": spec.address, "port_value": spec.port}},
        # With SO_REUSEPORT another process could take half of the connections unseen.
        "enable_reuse_port": False,
        "filter_chains": [{"filters": [network_filter]}],
    }


def http_manager(spec: ListenerSpec, folder: Path) -> JsonObject:
    """The filter that speaks HTTP/1.1 (and HTTP/2 to those who begin with it), as an ALB does."""
    config: JsonObject = {
        "@type": TYPE + HTTP_MANAGER,
        "stat_prefix": spec.name,
        "rds": {
            "config_source": file_source(routes_file(folder, spec.name)),
            "route_config_name": spec.name,
        },
        "http_filters": [
            {"name": STICKY, "typed_config": {"@type": STICKY_CONFIG + "StatefulSession"}},
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": TYPE + ROUTER, "suppress_envoy_headers": True},
            },
        ],
        # Adds the client's address to X-Forwarded-For.
        "use_remote_address": True,
        "generate_request_id": False,
        "server_name": "awselb/2.0",
        "server_header_transformation": "APPEND_IF_ABSENT",
        "http_protocol_options": {"accept_http_10": True, "default_host_for_http_10": spec.address},
        "stream_idle_timeout": seconds(spec.idle_timeout),
        # By default a client that takes nothing for a second loses the rest of an answer after which the
        # connection is to be closed.
        "delayed_close_timeout": seconds(spec.idle_timeout),
        "common_http_protocol_options": {"idle_timeout": seconds(spec.idle_timeout)},
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "local_reply_config": local_replies(),
        "access_log": [access_log(spec.name, folder)],
    }
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": config}


def access_log(listener_name: str, folder: Path) -> JsonObject:
    """A line for each request that was answered: what the balancers' metrics are counted from."""
    line = traffic.line_format(listener_name)
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": TYPE + ACCESS_LOG,
            "path": str(traffic.log_file(folder)),
            "log_format": {"text_format_source": {"inline_string": line}},
        },
    }


def local_replies() -> JsonObject:
    """The answers that the balancer gives itself, with an Elastic Load Balancer's codes and pages."""
    broken = {"response_flag_filter": {"flags": BROKEN_TARGET}}
    slow_connect = {
        "and_filter": {
            "filters": [
                {"response_flag_filter": {"flags": ["UF"]}},
                {"duration_filter": {"comparison": _at_least("lab.connect_timeout_ms", 9_900)}},
            ]
        }
    }
    exact = [(status, {"status_code_filter": {"comparison": _equals(status)}}) for status in (503, 504)]
    mappers = [(504, slow_connect), (502, broken), *exact]
    return {
        "mappers": [
            {"filter": condition, "status_code": status, "body_format_override": _page(status)}
            for status, condition in mappers
        ]
    }


def _at_least(key: str, value: int) -> JsonObject:
    return {"op": "GE", "value": {"default_value": value, "runtime_key": key}}


def _equals(value: int) -> JsonObject:
    return {"op": "EQ", "value": {"default_value": value, "runtime_key": f"lab.status_{value}"}}


def _page(status: int) -> JsonObject:
    title = PAGES[status]
    html = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    )
    return {"text_format_source": {"inline_string": html}, "content_type": "text/html"}


def routes(spec: ListenerSpec) -> JsonObject:
    """The rules of an HTTP listener, in order."""
    return {
        "name": spec.name,
        "virtual_hosts": [
            {
                "name": "all",
                "domains": ["*"],
                "routes": [route for rule in spec.rules for route in _routes(rule, spec)],
            }
        ],
        "request_headers_to_add": [_header("X-Forwarded-Port", str(spec.public_port))],
        "request_headers_to_remove": ["x-envoy-internal"],
    }


def routes_file(folder: Path, name: str) -> Path:
    """The file with a listener's routes."""
    return folder / f"rds-{name}.json"


def _routes(rule: Rule, spec: ListenerSpec) -> list[JsonObject]:
    """One route per path pattern: Envoy's route has a single path, ELBv2's condition a list."""
    paths: list[JsonObject] = [{"prefix": "/"}]
    if rule.paths:
        paths = [{"safe_regex": {"regex": wildcard(path)}} for path in rule.paths]
    choices: list[tuple[list[JsonObject], Action]] = [([], rule.action)]
    if isinstance(rule.action, Forward) and rule.action.sticky is not None:
        choices = [*_remembered(rule.action), *choices]
    return [
        {
            "match": {**path, "headers": [*_header_matches(rule), *cookies]},
            **_action(action, spec.idle_timeout),
        }
        for path in paths
        for cookies, action in choices
    ]


def _remembered(action: Forward) -> list[tuple[list[JsonObject], Action]]:
    """For each group, the requests whose cookie binds them to it, whatever the weights are now."""
    return [
        ([_matches("cookie", f".*{GROUP_COOKIE}={re.escape(share.cluster)}.*")], Forward((share,)))
        for share in action.shares
    ]


def _header_matches(rule: Rule) -> list[JsonObject]:
    matches = [(name, wildcard(*values, any_case=True)) for name, values in rule.headers]
    if rule.hosts:
        # A host-header condition does not look at the port.
        matches.append((":authority", wildcard(*rule.hosts, any_case=True) + "(:[0-9]+)?"))
    if rule.methods:
        matches.append((":method", wildcard(*rule.methods)))
    return [_matches(name, regex) for name, regex in matches]


def _matches(header: str, regex: str) -> JsonObject:
    return {"name": header, "string_match": {"safe_regex": {"regex": regex}}}


def wildcard(*patterns: str, any_case: bool = False) -> str:
    """A regular expression for ELBv2's wildcards: `*` is any text, `?` any one character."""
    alternatives = "|".join(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".") for pattern in patterns)
    return f"{'(?i)' if any_case else ''}({alternatives})"


def _action(action: Action, idle_timeout: float) -> JsonObject:
    match action:
        case Forward():
            return _forward(action, idle_timeout)
        case FixedResponse(status, content_type, body):
            return {
                "direct_response": {"status": status, "body": {"inline_string": body}},
                "response_headers_to_add": [_header("Content-Type", content_type)],
            }
        case Redirect():
            return {"redirect": _redirect(action)}


def _header(name: str, value: str) -> JsonObject:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _forward(action: Forward, idle_timeout: float) -> JsonObject:
    # No limit on the whole answer; silence for the idle timeout is answered with 504.
    limits = {"timeout": "0s", "idle_timeout": seconds(idle_timeout)}
    if len(action.shares) == 1 and action.sticky is None:
        (share,) = action.shares
        return {"route": {"cluster": share.cluster, **limits}, **_target_cookie(share)}
    clusters = [_weighted(share, action.sticky) for share in action.shares if share.weight]
    return {"route": {"weighted_clusters": {"clusters": clusters}, **limits}}


def _weighted(share: Share, group_sticky: float | None) -> JsonObject:
    cluster = {"name": share.cluster, "weight": share.weight, **_target_cookie(share)}
    if group_sticky is not None:
        cookie = f"{GROUP_COOKIE}={share.cluster}; Path=/; Max-Age={group_sticky:g}"
        cluster["response_headers_to_add"] = [{"header": {"key": "Set-Cookie", "value": cookie}}]
    return cluster


def _target_cookie(share: Share) -> JsonObject:
    """What makes Envoy keep a client at the target that its cookie names, while that is healthy."""
    if share.sticky is None:
        return {}
    cookie = {"name": TARGET_COOKIE, "path": "/", "ttl": seconds(share.sticky)}
    state = {
        "name": "envoy.http.stateful_session.cookie",
        "typed_config": {"@type": COOKIE_STATE, "cookie": cookie},
    }
    per_route = {
        "@type": STICKY_CONFIG + "StatefulSessionPerRoute",
        "stateful_session": {"session_state": state},
    }
    return {"typed_per_filter_config": {STICKY: per_route}}


def _redirect(action: Redirect) -> JsonObject:
    parts = {
        "response_code": REDIRECT_CODES[action.status],
        "scheme_redirect": action.protocol,
        "host_redirect": action.host,
        "port_redirect": action.port,
        "path_redirect": action.path,
    }
    return {key: value for key, value in parts.items() if value is not None}


def tcp_proxy(spec: ListenerSpec) -> JsonObject:
    """The filter that passes connections: each stays with its target until one side closes it."""
    action = next(rule.action for rule in spec.rules if isinstance(rule.action, Forward))
    # A TCP proxy refuses a weight of zero.
    chosen = [share for share in action.shares if share.weight]
    target: JsonObject = {"cluster": chosen[0].cluster}
    if len(chosen) > 1:
        weights = [{"name": share.cluster, "weight": share.weight} for share in chosen]
        target = {"weighted_clusters": {"clusters": weights}}
    config = {
        "@type": TYPE + TCP_PROXY,
        "stat_prefix": spec.name,
        "idle_timeout": seconds(spec.idle_timeout),
        **target,
    }
    return {"name": "envoy.filters.network.tcp_proxy", "typed_config": config}
