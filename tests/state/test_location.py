"""Where state is kept, as the settings name it."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.model.errors import UsageError
from deployer.state.local import state_home
from deployer.state.location import InDynamo, InFolder, InS3, Location, parse_location


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("s3://my-bucket", InS3("my-bucket", "deployer")),
        ("s3://my-bucket/team/state/", InS3("my-bucket", "team/state")),
        ("dynamodb://deployer-state", InDynamo("deployer-state")),
        ("/var/lib/deployer", InFolder(Path("/var/lib/deployer"))),
    ],
)
def test_a_location_is_read(text: str, location: Location) -> None:
    assert parse_location(text) == location


@pytest.mark.parametrize("text", ["", " ", "s3://", "s3://UPPER", "dynamodb://a", "https://x/y", "redis://x"])
def test_anything_else_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected s3://bucket/prefix, dynamodb://table or the path"):
        parse_location(text)


@pytest.mark.parametrize(
    ("env", "folder"),
    [
        ({}, "/home/ann/.local/state/deployer/state"),
        ({"XDG_STATE_HOME": "/x"}, "/x/deployer/state"),
        ({"XDG_STATE_HOME": "relative"}, "/home/ann/.local/state/deployer/state"),
        ({"DEPLOYER_STATE_HOME": "/d", "XDG_STATE_HOME": "/x"}, "/d"),
    ],
)
def test_local_state_has_its_folder_where_the_desktop_rules_put_it(env: dict[str, str], folder: str) -> None:
    assert state_home(env, Path("/home/ann")) == Path(folder)
