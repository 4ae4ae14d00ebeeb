"""`deployer.toml` becomes settings, or one sentence with file, line, key, what was found and expected."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from deployer.config.document import find_file, read_document
from deployer.config.reader import read_fleets
from deployer.config.settings import FleetSettings
from deployer.config.starter import Draft, starter
from deployer.model.capacity import Amount
from deployer.model.errors import UsageError
from deployer.model.occasions import Point
from deployer.model.policy import Keep, Method, OnFailure

Load = Callable[..., FleetSettings]
FIND = '[fleet.web]\nfind = { tags = { Service = "shop" } }\n'

FULL = """\
[fleet.web]
find      = { tags = { Service = "shop", Role = "web" } }
balancers = ["shop-web", "shop-classic"]
health    = { port = 8081, path = "/healthz", release_header = "" }

[fleet.web.release]
name   = "2"
bundle = "bundles/release-{release}"

[fleet.web.ssh]
user = "deploy"
bastion = "bastion.example.com"
become = false

[fleet.web.rollout]
strategy = "one-at-a-time"
batch    = [1, "10%"]
method   = "in-place"
floor    = "75%"
surge    = 0
soak     = "30s"
keep_failed = true
on_failure = "stop"
lame_duck = "/usr/bin/touch '/tmp/lame duck'"
deadlines = { boot = "2m" }
progress_deadline = 600

[[fleet.web.hooks]]
at  = "before-rollout"
run = "./hooks/migrate.sh --now"
once = true

[state]
store = "s3://bucket/prefix"

[aws]
region = "eu-west-1"
"""


def test_a_full_file_is_read_into_typed_values(load: Load, tmp_path: Path) -> None:
    fleet = load(FULL)
    assert (fleet.name, fleet.folder, fleet.goal()) == ("web", tmp_path, "2")
    assert fleet.find.tags == {"Service": "shop", "Role": "web"}
    assert fleet.health.model().release_header is None
    assert fleet.release.bundle_of("2", fleet.folder) == str(tmp_path / "bundles/release-2")
    assert fleet.rollout.batch == (Amount(1), Amount(10, percent=True))
    assert fleet.rollout.lame_duck == ("/usr/bin/touch", "/tmp/lame duck")
    assert fleet.hooks[0].at is Point.BEFORE_ROLLOUT
    assert fleet.hooks[0].run == ("./hooks/migrate.sh", "--now")
    assert fleet.state.store == "s3://bucket/prefix"


def test_the_engines_policy_carries_every_rule(load: Load) -> None:
    policy = load(FULL).rollout.policy(ask_hosts=False)
    assert policy.method is Method.IN_PLACE
    assert policy.on_failure is OnFailure.STOP
    assert policy.failed_instances is Keep.KEEP
    assert (policy.soak, policy.deadlines.boot, policy.deadlines.progress) == (30.0, 120.0, 600.0)
    assert not policy.ask_hosts


def test_no_balancers_said_and_none_there_are_two_things(load: Load) -> None:
    assert load(FIND).balancers is None
    assert load(FIND + "balancers = []\n").balancers == ()


@pytest.mark.parametrize("place", ["s3://bucket/key", "git:HEAD"])
def test_an_address_is_no_path(load: Load, place: str) -> None:
    fleet = load(FIND + f'[fleet.web.release]\nbundle = "{place}"\n')
    assert fleet.release.bundle_of("1", fleet.folder) == place


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("[flet.web]\n", 1, 'flet is not a setting; did you mean "fleet"?'),
        (FIND + 'xyzzy = "red"\n', 3, "fleet.web.xyzzy is not a setting; known: balancers, codedeploy, find"),
        (
            FIND + "[fleet.web.rollout]\n\nbacth = 2\n",
            5,
            'fleet.web.rollout.bacth is not a setting; did you mean "batch"?',
        ),
        (FIND + "[fleet.web.rollout]\nmax-failures = 2\n", 4, 'is not a setting; did you mean "max_failures"?'),
        (FIND + '[fleet.web.rollout]\nbatch = "0%"\n', 4, "fleet.web.rollout.batch is '0%', with which nothing"),
        (FIND + "[fleet.web.rollout]\nbatch = 1.5\n", 4, "batch is 1.5; expected a count such as 2"),
        (FIND + '[fleet.web.rollout]\nsoak = "soon"\n', 4, 'soak is "soon"; expected a duration such as "30s"'),
        (FIND + '[fleet.web.rollout]\nmethod = "relunch"\n', 4, 'expected one of "relaunch", "in-place"'),
        (
            FIND + '[fleet.web.rollout]\nstrategy = "roling"\n',
            4,
            'not installed; did you mean "rolling"? Known: ',
        ),
        (FIND + "[fleet.web.rollout]\nkeep_failed = 1\n", 4, "keep_failed is 1; expected true or false"),
        (
            FIND + "[fleet.web.rollout]\nmin_requests = 5\n",
            4,
            "fleet.web.rollout.min_requests is 5, and nothing says how requests are counted; expected a counter",
        ),
        (
            FIND + '[fleet.web.requests]\ncounter = "a_total"\nlog = "/var/log/a.log"\n',
            3,
            "fleet.web.requests has counter and log; expected one of them",
        ),
        (
            FIND + '[fleet.web.requests]\nlog = "/var/log/a.log"\n[fleet.web.ssh]\nask_hosts = false\n',
            4,
            "log is read on the hosts, and ssh.ask_hosts is false; expected a counter",
        ),
        (FIND + "[fleet.web.requests]\ncounter = 'a_total{kind=page}'\n", 4, 'expected a counter such as "http_'),
        (FIND + '[fleet.web.requests]\nlog = "access.log"\n', 4, "expected an absolute path on the host"),
        (FIND + "[fleet.web]\n[fleet.web.ssh]\nport = 70000\n", 0, "Cannot declare ('fleet', 'web') twice"),
        (FIND + "[fleet.web.ssh]\nport = 70000\n", 4, "port is 70000; expected a whole number from 1 to 65535"),
        (
            FIND + "[[fleet.web.hooks]]\nat = 'before-rollout'\n",
            3,
            "has none; expected exactly one of run, url and use",
        ),
        (FIND + "[[fleet.web.hooks]]\nrun = 'x'\n", 3, "fleet.web.hooks[0] has no at; expected one of"),
        (FIND + "hooks = 3\n", 3, "fleet.web.hooks is 3; expected [[fleet.web.hooks]] tables"),
        ("[fleet.web]\n", 1, "fleet.web has no find"),
        ("[fleet.web]\nfind = {}\n", 2, "find has none; expected exactly one of tags, asg and instances"),
        (
            '[fleet.web]\nfind = { asg = "a", instances = ["i-1"] }\n',
            2,
            "has asg and instances; expected exactly one",
        ),
        (
            '[fleet.web]\nfind = { instances = ["web-1"] }\n',
            2,
            'find.instances is ["web-1"]; expected a list of ids such as ["i-0abc"]',
        ),
        (
            "[fleet.web]\nfind = { tags = { Service = 3 } }\n",
            2,
            "find.tags is { Service = 3 }; expected a table of texts",
        ),
        ("fleet = 3\n", 1, "fleet is 3; expected a table"),
        (FIND + '[state]\nstore = "ftp://x"\n', 4, 'state.store is "ftp://x"; expected "file", '),
        ("a = \n", 1, "not valid TOML"),
        ("[fleet.web\n", 1, "not valid TOML"),
    ],
)
def test_an_error_names_file_line_key_and_what_was_expected(
    load: Load, tmp_path: Path, text: str, line: int, sentence: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load(text)
    said = str(caught.value)
    assert said.startswith(str(tmp_path / "deployer.toml"))
    assert sentence in said
    assert "\n" not in said
    assert not line or f", line {line}" in said


def test_control_characters_in_a_value_are_not_passed_on(load: Load) -> None:
    with pytest.raises(UsageError) as caught:
        load(FIND + '[fleet.web.rollout]\nsoak = "\\u001b[31mred"\n')
    assert "\x1b" not in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path, load: Load) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes(b"# caf\xe9\n")
    with pytest.raises(UsageError, match="not UTF-8"):
        load(FIND, config=path)


def test_no_fleet_at_all_is_refused(load: Load) -> None:
    with pytest.raises(UsageError, match="has no fleet; expected at least one"):
        load("[aws]\n")


def test_with_several_fleets_one_must_be_named(load: Load) -> None:
    two = FIND + FIND.replace("web", "worker")
    assert load(two, fleet="worker").name == "worker"
    with pytest.raises(UsageError, match=r"2 fleets \(web, worker\); say which with --fleet"):
        load(two)
    with pytest.raises(UsageError, match="no fleet 'wrker'; did you mean \"worker\""):
        load(two, fleet="wrker")


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(load: Load) -> None:
    text = FIND + "[fleet.web.rollout]\nbatch = 1\nfloor = 1\nsurge = 1\n"
    environment = {"DEPLOYER_BATCH": "2", "DEPLOYER_FLOOR": "2", "DEPLOYER_RELEASE": "7", "DEPLOYER_SURGE": ""}
    fleet = load(text, options={"batch": "3"}, environment=environment)
    assert (fleet.rollout.batch, fleet.rollout.floor, fleet.rollout.surge) == ((Amount(3),), Amount(2), Amount(1))
    assert fleet.goal() == "7"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"options": {"batch": "abc"}}, "--batch is 'abc'; expected a count"),
        ({"options": {"zone_floor": "-1"}}, "--zone-floor is '-1'; expected a count"),
        ({"environment": {"DEPLOYER_SOAK": "soon"}}, 'DEPLOYER_SOAK is "soon"; expected a duration'),
        ({"environment": {"DEPLOYER_KEEP_FAILED": "maybe"}}, "DEPLOYER_KEEP_FAILED"),
    ],
)
def test_an_error_outside_the_file_names_the_option_or_the_variable(
    load: Load, given: dict[str, object], sentence: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load(FIND, **given)
    assert sentence in str(caught.value)


def test_a_missing_file_says_where_was_looked_and_what_writes_one(tmp_path: Path) -> None:
    inner = tmp_path / "repository" / "deep" / "er"
    inner.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    with pytest.raises(UsageError) as caught:
        find_file(None, inner)
    said = str(caught.value)
    assert all(str(folder) in said for folder in (inner, inner.parent, inner.parent.parent))
    assert "`deployer init`" in said
    (tmp_path / "repository" / "deployer.toml").write_text(FIND)
    assert find_file(None, inner) == tmp_path / "repository" / "deployer.toml"


@pytest.mark.parametrize("named", [True, False])
def test_a_folder_in_the_place_of_the_file_is_called_a_folder(tmp_path: Path, named: bool) -> None:
    folder = tmp_path / "deployer.toml"
    folder.mkdir()
    with pytest.raises(UsageError, match=re.escape(f"{folder} is a folder; expected a settings file")):
        read_document(find_file(folder if named else None, tmp_path))


def test_a_relative_path_is_relative_to_the_file_and_the_home_is_the_users(load: Load, tmp_path: Path) -> None:
    settings = load(
        FIND + '[fleet.web.ssh]\nkey_file = "keys/web"\nknown_hosts = "~/known"\n[state]\npath = "state"\n'
    )
    assert settings.ssh.key_file == tmp_path / "keys" / "web"
    assert settings.ssh.known_hosts == Path.home() / "known"
    assert settings.state.path == tmp_path / "state"


def test_a_file_above_the_repository_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "deployer.toml").write_text(FIND)
    inner = tmp_path / "repository"
    (inner / ".git").mkdir(parents=True)
    with pytest.raises(UsageError):
        find_file(None, inner)


def test_nothing_above_is_searched_outside_of_a_repository(tmp_path: Path) -> None:
    (tmp_path / "deployer.toml").write_text(FIND)
    (tmp_path / "inner").mkdir()
    with pytest.raises(UsageError):
        find_file(None, tmp_path / "inner")


@pytest.mark.parametrize("value", ["shop", 'a "quoted" \\ shop', "läden/1:2=3"])
def test_the_starter_is_a_valid_file(load: Load, value: str) -> None:
    fleet = load(starter(Draft("web", {"Service name": value})))
    assert fleet.find.tags == {"Service name": value}
    assert fleet.goal() == "1"


def test_every_commented_line_of_the_starter_is_valid_too(load: Load) -> None:
    """The comments show settings; one that has since been renamed would mislead."""
    lines = starter(Draft("web", {"Service": "shop"})).splitlines()
    assignments = [line.removeprefix("# ") for line in lines]
    kept = [
        new
        if old.startswith("# ") and ((" = " in new and new.split(" = ")[0].isidentifier()) or new.startswith("["))
        else old
        for old, new in zip(lines, assignments, strict=True)
    ]
    fleet = load("\n".join(kept))
    assert fleet.aws.region == "eu-west-1"
    assert fleet.rollout.surge == Amount(2)


def test_the_balancers_of_the_other_fleets_of_a_file_are_known(tmp_path: Path) -> None:
    path = tmp_path / "deployer.toml"
    path.write_text(
        '[fleet.web]\nfind = { asg = "a" }\nbalancers = ["web"]\n'
        '[fleet.side]\nfind = { asg = "a" }\nbalancers = ["side", "arn:x"]\n[fleet.jobs]\nfind = { asg = "b" }\n'
    )
    fleets = read_fleets(read_document(path))
    assert fleets["web"].neighbours == ("side", "arn:x")
    assert fleets["side"].neighbours == ("web",)
