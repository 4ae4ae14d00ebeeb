"""Reads an AppSpec: accepts and refuses what the CodeDeploy agent accepts and refuses, with line and cure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from deployer.remote.appspec.document import ListNode, MapNode, Node, ScalarNode, kind_of, read_document
from deployer.remote.appspec.fields import child, entry, fields, items, known_keys, required_text, text_of
from deployer.remote.appspec.permissions import read_permission
from deployer.remote.appspec.problems import Findings, Problem, Refusal, Severity
from deployer.remote.appspec.scalars import leading_integer
from deployer.remote.appspec.spec import (
    DEFAULT_TIMEOUT,
    LONGEST_EVENT,
    AppSpec,
    FileCopy,
    FileExists,
    HookScript,
    LifecycleEvent,
    Permission,
)

T = TypeVar("T")

_TOP_LEVEL = ("version", "os", "files", "file_exists_behavior", "permissions", "hooks")
_MEANT_IN_FILES = {"overwrite": "write `file_exists_behavior: OVERWRITE` at the top of the file"}
_EVENTS = {event.value: event for event in LifecycleEvent}


@dataclass(frozen=True)
class Reading:
    """What came of reading a file: the AppSpec unless an error stands in `problems`."""

    spec: AppSpec | None
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that stop a deployment."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The problems that the CodeDeploy agent would let pass."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.WARNING)


def read_appspec(data: bytes) -> Reading:
    """Reads the bytes of a file and collects every problem; never raises, whatever the bytes are."""
    findings = Findings()
    spec: AppSpec | None = None
    try:
        document = _document(read_document(data, findings))
        spec = _read_sections(document, findings)
    except Refusal as refusal:
        findings.add(refusal)
    problems = tuple(sorted(findings.problems, key=lambda problem: problem.line))
    failed = any(problem.severity is Severity.ERROR for problem in problems)
    return Reading(None if failed else spec, problems)


def _document(root: Node | None) -> MapNode:
    cure = "begin with `version: 0.0` and `os: linux`"
    match root:
        case None | ScalarNode(value=None | False):
            raise Refusal(1, "the AppSpec is empty", cure)
        case MapNode(entries=()):
            raise Refusal(root.line, "the AppSpec is empty", cure)
        case MapNode():
            _refuse_other_platforms(root)
            return root
        case _:
            raise Refusal(root.line, f"expected version, os, files and hooks, found {kind_of(root)}", cure)


def _refuse_other_platforms(document: MapNode) -> None:
    resources = document.get("Resources")
    if resources is None or document.get("os") is not None:
        return
    kinds = {text for node in _all_nodes(resources) if (text := getattr(node, "text", None))}
    platform = "a Lambda" if "AWS::Lambda::Function" in kinds else "an ECS"
    raise Refusal(
        resources.line,
        f"this is {platform} AppSpec; deployer deploys to EC2 instances",
        "name the AppSpec that has `os: linux`",
    )


def _all_nodes(node: Node) -> Iterable[Node]:
    yield node
    match node:
        case MapNode():
            for _key, value in node.entries:
                yield from _all_nodes(value)
        case ListNode():
            for item in node.items:
                yield from _all_nodes(item)
        case _:
            pass


def _read_sections(document: MapNode, findings: Findings) -> AppSpec | None:
    known_keys(document, _TOP_LEVEL, "the AppSpec", findings)
    os_name = _attempt(findings, lambda: _version_and_os(document))
    exists = _attempt(findings, lambda: _file_exists(document))
    files = _each(findings, document, "files", lambda node: _file_copy(node, findings))
    permissions = _permissions(document, os_name, findings)
    hooks = _attempt(findings, lambda: _hooks(document, findings)) or {}
    if os_name is None:
        return None
    return AppSpec(os_name, tuple(files), exists, tuple(permissions), hooks)


def _attempt(findings: Findings, read: Callable[[], T]) -> T | None:
    try:
        return read()
    except Refusal as refusal:
        findings.add(refusal)
        return None


def _each(findings: Findings, document: MapNode, key: str, read: Callable[[Node], T]) -> list[T]:
    """Reads each item of a top-level list; a bad item does not hide what is wrong with the next."""
    node = _attempt(findings, lambda: child(document, key))
    if node is None or (isinstance(node, ScalarNode) and node.value in (None, False)):
        return []
    nodes = _attempt(findings, lambda: items(node, key)) or ()
    results = [_attempt(findings, lambda item=item: read(item)) for item in nodes]  # type: ignore[misc]
    return [result for result in results if result is not None]


def _version_and_os(document: MapNode) -> str:
    version = child(document, "version")
    if not _is_zero(version):
        found = kind_of(version) if version else "no version"
        line = version.line if version else document.line
        raise Refusal(line, f"version must be the number 0.0, found {found}", "write `version: 0.0`, no quotes")
    system = child(document, "os")
    if not (isinstance(system, ScalarNode) and system.value in ("linux", "windows")):
        found = kind_of(system) if system else "no os"
        line = system.line if system else document.line
        raise Refusal(line, f"os must be linux or windows in lower case, found {found}", "write `os: linux`")
    return str(system.value)


def _is_zero(node: Node | None) -> bool:
    return (
        isinstance(node, ScalarNode)
        and isinstance(node.value, int | float)
        and not isinstance(node.value, bool)
        and node.value == 0
    )


def _file_exists(document: MapNode) -> FileExists | None:
    node = child(document, "file_exists_behavior")
    if node is None or (isinstance(node, ScalarNode) and node.value is None):
        return None
    allowed = [behavior.value for behavior in FileExists]
    if isinstance(node, ScalarNode) and node.value in allowed:
        return FileExists(node.value)
    raise Refusal(
        node.line,
        f"file_exists_behavior must be {', '.join(allowed)} in capitals, found {kind_of(node)}",
        "write one of the three, or leave it out for DISALLOW",
    )


def _file_copy(node: Node, findings: Findings) -> FileCopy:
    mapping = entry(node, "files", "a source and a destination")
    known_keys(mapping, ("source", "destination"), "files", findings, _MEANT_IN_FILES)
    source = required_text(mapping, "source", "files", "`source: /` stands for the whole bundle")
    destination = required_text(mapping, "destination", "files", "name the folder on the instance")
    if destination and not destination.startswith("/") and destination[1:2] != ":":
        findings.warn(
            node.line,
            f"the destination {destination!r} is relative",
            "write the full path: it is taken from the root folder",
        )
    return FileCopy(source, destination, node.line)


def _permissions(document: MapNode, os_name: str | None, findings: Findings) -> list[Permission]:
    def read(node: Node) -> Permission:
        if os_name == "windows":
            raise Refusal(
                node.line, "permissions are not possible with os: windows", "remove the permissions section"
            )
        return read_permission(node, findings)

    return _each(findings, document, "permissions", read)


def _hooks(document: MapNode, findings: Findings) -> dict[str, tuple[HookScript, ...]]:
    node = child(document, "hooks")
    if node is None or (isinstance(node, ScalarNode) and node.value in (None, False)):
        return {}
    example = "write the event's name, then a list: `AfterInstall:` and `  - location: scripts/x.sh`"
    if not isinstance(node, MapNode):
        raise Refusal(node.line, f"hooks must map event names to lists of scripts, found {kind_of(node)}", example)
    hooks: dict[str, tuple[HookScript, ...]] = {}
    for name, scripts in fields(node, "hooks", findings):
        _warn_of_event(name, scripts.line, findings)
        if isinstance(scripts, ScalarNode) and scripts.value is None:
            continue
        found = _attempt(findings, lambda n=name, s=scripts: _scripts(n, s, findings))  # type: ignore[misc]
        if found is not None:
            hooks[name] = found
    return hooks


def _warn_of_event(name: str, line: int, findings: Findings) -> None:
    event = _EVENTS.get(name)
    if event is None:
        takers = ", ".join(event.value for event in LifecycleEvent if event.takes_scripts)
        findings.warn(line, f"{name!r} is no CodeDeploy event, its scripts never run", f"use one of {takers}")
    elif not event.takes_scripts:
        findings.warn(line, f"{name} takes no scripts, they never run", "move them to a neighbouring event")


def _scripts(event: str, node: Node, findings: Findings) -> tuple[HookScript, ...]:
    scripts = []
    for item in items(node, f"hooks.{event}"):
        script = _attempt(findings, lambda item=item: _script(event, item, findings))  # type: ignore[misc]
        if script is not None:
            scripts.append(script)
    total = sum(script.timeout for script in scripts)
    if total > LONGEST_EVENT and any(script.timeout != DEFAULT_TIMEOUT for script in scripts):
        findings.warn(
            node.line,
            f"the timeouts of {event} add up to {total} s, {LONGEST_EVENT} s are allowed",
            "shorten them",
        )
    return tuple(scripts)


def _script(event: str, node: Node, findings: Findings) -> HookScript:
    where = f"hooks.{event}"
    mapping = entry(node, where, "a script with its location")
    known_keys(mapping, ("location", "timeout", "runas", "sudo"), where, findings)
    location_node = child(mapping, "location")
    location = text_of(location_node, f"{where} location").strip() if location_node else ""
    if not location:
        line = location_node.line if location_node else node.line
        raise Refusal(line, f"a script of {event} has no location", "write `location: scripts/x.sh`")
    runas_node = child(mapping, "runas")
    runas = text_of(runas_node, f"{where} runas").strip() if runas_node else ""
    sudo = child(mapping, "sudo")
    return HookScript(
        location,
        _timeout(child(mapping, "timeout"), where),
        runas or None,
        isinstance(sudo, ScalarNode) and sudo.value not in (None, False),
        node.line,
    )


def _timeout(node: Node | None, where: str) -> int:
    match node:
        case None | ScalarNode(value=None | False):
            return DEFAULT_TIMEOUT
        case ScalarNode(value=int() | float() | str() as value) if value is not True:
            seconds = leading_integer(value)
            if seconds is not None and seconds > 0:
                return seconds
        case _:
            pass
    raise Refusal(
        node.line,
        f"{where} timeout must be a whole number of seconds above 0, found {kind_of(node)}",
        f"write for example `timeout: 300`, or leave it out for {DEFAULT_TIMEOUT}",
    )
