"""What the probes do not reach: every field's rule, the warnings, and the lines that messages name."""

from __future__ import annotations

import pytest

from deployer.remote.appspec.parser import read_appspec
from deployer.remote.appspec.scalars import plain_value
from deployer.remote.appspec.spec import (
    BLUE_GREEN_REPLACEMENT,
    IN_PLACE,
    IN_PLACE_WITH_BALANCER,
    Acl,
    AppSpec,
    Context,
    FileExists,
    LifecycleEvent,
)

HEAD = "version: 0.0\nos: linux\n"


def permission(*lines: str) -> bytes:
    body = "".join(f"    {line}\n" for line in lines)
    return f"{HEAD}permissions:\n  - object: /srv/app\n{body}".encode()


def hook(*lines: str) -> bytes:
    body = "".join(f"      {line}\n" for line in lines)
    return f"{HEAD}hooks:\n  AfterInstall:\n    - location: a.sh\n{body}".encode()


def accepted(data: bytes) -> AppSpec:
    reading = read_appspec(data)
    assert reading.spec is not None, reading.problems
    return reading.spec


def refusals(data: bytes) -> list[tuple[int, str]]:
    return [(problem.line, problem.text) for problem in read_appspec(data).errors]


ACLS = {
    "u:bob:rw": Acl("user", "bob", "rw-"),
    "user:bob:7": Acl("user", "bob", "rwx"),
    "g:web:r-x": Acl("group", "web", "r-x"),
    "bob:0": Acl("user", "bob", "---"),
    "d:bob:rwx": Acl("user", "bob", "rwx", default=True),
    "d:u:bob:rwx": Acl("user", "bob", "rwx", default=True),
    "default:g:web:5": Acl("group", "web", "r-x", default=True),
    "d::7": Acl("user", "", "rwx", default=True),
    "m::7": Acl("mask", "", "rwx"),
    "m:7": Acl("mask", "", "rwx"),
    "mask:": Acl("mask", "", "---"),
    "u:mask:7": Acl("user", "mask", "rwx"),
    "d:d:7": Acl("user", "d", "rwx", default=True),
    "d:o:4": Acl("other", "", "r--", default=True),
}


@pytest.mark.parametrize(("text", "acl"), ACLS.items(), ids=ACLS.keys())
def test_an_acl_is_taken_apart_as_the_agent_does(text: str, acl: Acl) -> None:
    assert accepted(permission("acls:", f'  - "{text}"')).permissions[0].acls == (acl,)


BAD_ACLS = [
    "rwx",
    "u::7",
    "o:7",
    "g::r",
    "::7",
    "d:d:bob:7",
    "a:b:c:d:e",
    "x:u:bob:7",
    "q:bob:7",
    "mask:name:rwx",
    "other:name:r",
    "u:bob:rwz",
    "u:bob:8",
    "u:bob:77",
]


@pytest.mark.parametrize("text", BAD_ACLS)
def test_an_acl_that_the_agent_refuses_is_refused_with_its_line(text: str) -> None:
    assert [line for line, _ in refusals(permission("acls:", f'  - "{text}"'))] == [6]


RANGES = {
    "s0": "s0",
    "s0-s3": "s0-s3",
    "s2-s2": "s2",
    "s0:c0.c3,c7": "s0:c0.c3,c7",
    "s0-s1:c7,c0,c1": "s0-s1:c0.c1,c7",
    "s0:c1023": "s0:c1023",
}


@pytest.mark.parametrize(("text", "normal"), RANGES.items(), ids=RANGES.keys())
def test_an_selinux_range_is_brought_to_its_normal_form(text: str, normal: str) -> None:
    spec = accepted(permission("context:", "  type: t", f'  range: "{text}"'))
    assert spec.permissions[0].context == Context("t", None, normal)


@pytest.mark.parametrize(
    "text",
    ["s3-s1", "x0", "s", "s0-", "-s0", "s0:", "s0:c1024", "s0:c1,c1", "s0:c3.c1", "s0:d1", "s0-s1-s2", ":c1"],
)
def test_an_selinux_range_that_is_none_is_refused(text: str) -> None:
    assert refusals(permission("context:", "  type: t", f'  range: "{text}"'))[0][0] == 7


def test_a_context_takes_its_user_under_either_name() -> None:
    for key in ("user", "name"):
        spec = accepted(permission("context:", "  type: t", f"  {key}: system_u"))
        assert spec.permissions[0].context == Context("t", "system_u")


@pytest.mark.parametrize(("text", "mode"), [("7", "007"), ("644", "644"), ('"0755"', "0755"), ('"4755"', "4755")])
def test_a_mode_has_one_to_four_octal_digits(text: str, mode: str) -> None:
    assert accepted(permission(f"mode: {text}")).permissions[0].mode == mode


@pytest.mark.parametrize("text", ["0755", "0888", "77777", "-1", "7.5", "true", '""', "[7]", "{a: 1}"])
def test_a_mode_that_is_none_is_refused(text: str) -> None:
    assert refusals(permission(f"mode: {text}"))[0][0] == 5


TIMEOUTS = {
    "30s": 30,
    "1:30": 5400,
    "1:2:3": 3723,
    "0x10": 16,
    "010": 8,
    "1_000": 1000,
    "1,000": 1000,
    "2.9": 2,
    "'  12 '": 12,
    "'9_9x'": 99,
    "~": 3600,
    "no": 3600,
    "1e3": 1,
}


@pytest.mark.parametrize(("text", "seconds"), TIMEOUTS.items(), ids=TIMEOUTS.keys())
def test_a_timeout_is_read_by_the_rules_of_yaml_1_1_and_ruby(text: str, seconds: int) -> None:
    assert accepted(hook(f"timeout: {text}")).scripts(LifecycleEvent.AFTER_INSTALL)[0].timeout == seconds


@pytest.mark.parametrize("text", ["0", "-5", "0.9", "soon", "yes", ".inf", ".nan", "[1]", "''", "'-3s'"])
def test_a_timeout_without_seconds_above_zero_is_refused(text: str) -> None:
    assert refusals(hook(f"timeout: {text}"))[0][0] == 6


def test_scalars_have_the_types_that_psych_gives_them() -> None:
    for text, value in {
        "on": True,
        "No": False,
        "y": "y",
        "0644": 420,
        "0888": "0888",
        "0b11": 3,
        "0b_": "0b_",
        "1e3": "1e3",
        "1.5e+3": 1500.0,
        ".": ".",
        "-1:30": -1800,
        "1:30.5": 5430.0,
        "NULL": None,
        ":sym": ":sym",
        "9" * 5000: "9" * 5000,
    }.items():
        assert plain_value(text) == value, text
        assert type(plain_value(text)) is type(value), text


WARNINGS = {
    "a mode that YAML turned into another number": (permission("mode: 0644"), 5, "420"),
    "an unknown key at the top": (f"{HEAD}branch: x\n".encode(), 3, "unknown key 'branch'"),
    "overwrite in files": (
        f"{HEAD}files:\n  - source: a\n    destination: /b\n    overwrite: true\n".encode(),
        6,
        "unknown key 'overwrite'",
    ),
    "a relative destination": (f"{HEAD}files:\n  - source: a\n    destination: b\n".encode(), 4, "relative"),
    "an event that is none": (f"{HEAD}hooks:\n  Before:\n    - location: a\n".encode(), 4, "no CodeDeploy event"),
    "an event that takes no scripts": (f"{HEAD}hooks:\n  Install:\n    - location: a\n".encode(), 4, "no scripts"),
    "timeouts beyond an hour": (hook("timeout: 3601"), 5, "3601 s"),
    "a key that is there twice": (f"{HEAD}os: windows\n".encode(), 3, "twice"),
    "a second document": (f"{HEAD}---\n@not yaml\n".encode(), 3, "second document"),
}


@pytest.mark.parametrize(("data", "line", "text"), WARNINGS.values(), ids=WARNINGS.keys())
def test_what_the_agent_lets_pass_is_a_warning(data: bytes, line: int, text: str) -> None:
    reading = read_appspec(data)

    assert reading.spec is not None
    assert any(text in problem.text and abs(problem.line - line) <= 1 for problem in reading.warnings), reading


def test_of_keys_that_are_there_twice_the_last_counts() -> None:
    assert accepted(f"{HEAD}os: windows\n".encode()).os == "windows"


def test_a_null_hook_is_skipped_and_a_false_one_is_refused() -> None:
    assert accepted(f"{HEAD}hooks:\n  AfterInstall:\n".encode()).hooks == {}
    assert refusals(f"{HEAD}hooks:\n  AfterInstall: no\n".encode())


def test_file_exists_behavior_is_one_of_three_words_in_capitals() -> None:
    for behavior in FileExists:
        assert accepted(f"{HEAD}file_exists_behavior: {behavior.value}\n".encode()).file_exists is behavior
    assert accepted(f"{HEAD}file_exists_behavior:\n".encode()).file_exists is None


def test_every_problem_is_found_in_one_reading() -> None:
    data = b"version: 1\nos: linux\nfiles:\n  - source: a\n  - x\npermissions:\n  - mode: 9\nhooks:\n  Install: x\n"

    assert [line for line, _ in refusals(data)] == [1, 4, 5, 7, 9]


@pytest.mark.parametrize(
    ("resource", "platform"), [("AWS::ECS::Service", "an ECS"), ("AWS::Lambda::Function", "a Lambda")]
)
def test_appspecs_of_other_platforms_are_refused_by_name(resource: str, platform: str) -> None:
    data = f"version: 0.0\nResources:\n  - Thing:\n      Type: {resource}\n".encode()

    assert f"{platform} AppSpec; deployer deploys to EC2 instances" in refusals(data)[0][1]


def test_a_template_that_nobody_filled_in_is_refused_where_it_is_read() -> None:
    assert "tag !Ref" in refusals(b"version: 0.0\nos: !Ref System\n")[0][1]


def test_a_merge_key_counts_as_the_agent_merges_it() -> None:
    assert accepted(b"<<: {version: 0.0, os: windows}\nos: linux\n").os == "linux"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "empty"),
        (b"# nothing\n", "empty"),
        (b"{}", "empty"),
        (b"\xff\xfeX", "byte order mark"),
        (b"version: 0.0\nos: \xff\n", "not UTF-8"),
        (b"x" * 300_000, "bytes"),
        (b"[" * 5000, "levels deep"),
        (b'a: "\\UFFFFFFFF"\n', "not valid YAML"),
        (b"a: !ruby/object:Gem {}\n", "tag !ruby"),
        (b"x: 2001-12-14t21:59:43.10-05:00\n", "is a date"),
        (b"a: \x01\n", "not valid YAML"),
    ],
)
def test_what_is_no_appspec_is_refused_in_one_sentence(data: bytes, text: str) -> None:
    problems = refusals(data)

    assert len(problems) == 1
    assert text in problems[0][1]


def test_the_documented_orders_of_events() -> None:
    names = [event.value for event in IN_PLACE_WITH_BALANCER]

    assert names == [
        *("BeforeBlockTraffic", "BlockTraffic", "AfterBlockTraffic"),
        *("ApplicationStop", "DownloadBundle", "BeforeInstall", "Install", "AfterInstall"),
        *("ApplicationStart", "ValidateService"),
        *("BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic"),
    ]
    assert [event.value for event in IN_PLACE] == names[3:10]
    assert [event.value for event in BLUE_GREEN_REPLACEMENT] == names[3:]
    assert {event.value for event in LifecycleEvent if event.from_previous_revision} == {
        "BeforeBlockTraffic",
        "AfterBlockTraffic",
        "ApplicationStop",
    }


@pytest.mark.parametrize(
    "text",
    [
        "hooks:\t\n  AfterInstall:\n    - location: a\n",
        "hooks:\n  AfterInstall:\n    - location: a\n      timeout: 30\t\n",
        "hooks:\n  AfterInstall:\n    - location:\ta\n",
        "branch: x\t# a comment\n",
    ],
)
def test_a_tab_that_only_separates_is_taken_as_the_agent_takes_it(text: str) -> None:
    assert not read_appspec(f"{HEAD}{text}".encode()).errors


@pytest.mark.parametrize(
    ("text", "line"), [("hooks:\n\tAfterInstall:\n\t- location: a\n", 4), ("\t# a comment\nbranch: x\n", 3)]
)
def test_a_tab_that_indents_is_refused_at_its_line(text: str, line: int) -> None:
    [problem] = read_appspec(f"{HEAD}{text}".encode()).errors
    assert (problem.line, problem.text) == (line, "not valid YAML: a tab is used for indentation")


def test_the_line_of_what_breaks_off_is_in_the_file() -> None:
    [problem] = read_appspec(f"{HEAD}files: [".encode()).errors
    assert problem.line == 3
