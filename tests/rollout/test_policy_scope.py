"""What a fleet's settings say of its policy: the objects and the state as IAM names them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deployer.rollout.permissions import iam_policy
from tests.hooks.test_line import fleet


def statement(tmp_path: Path, name: str, more: str) -> dict[str, Any]:
    document: Any = iam_policy(fleet(tmp_path, more), "1", "eu-west-1")
    return next(item for item in document["Statement"] if item["Sid"] == name)


@pytest.mark.parametrize(
    ("bundle", "resource"),
    [
        ("s3://rel/app/{release}.zip", "arn:aws:s3:::rel/app/*.zip"),
        ("s3://rel/app/{release}.zip?versionId=abc123", "arn:aws:s3:::rel/app/*.zip"),
        ("s3://rel/a%20b.zip", "arn:aws:s3:::rel/a b.zip"),
        ("s3://rel/a*b$%3F.zip", "arn:aws:s3:::rel/a${*}b${$}${?}.zip"),
    ],
)
def test_a_bundle_is_allowed_by_its_key_and_not_by_how_it_is_written(
    tmp_path: Path, bundle: str, resource: str
) -> None:
    found = statement(tmp_path, "ReadBundles", f'[fleet.web.release]\nname = "1"\nbundle = "{bundle}"\n')
    assert found["Resource"] == [resource]


def test_a_bucket_without_a_prefix_means_the_one_that_state_is_kept_under(tmp_path: Path) -> None:
    more = '[state]\nstore = "s3://statebucket"\n'
    assert statement(tmp_path, "KeepState", more)["Resource"] == ["arn:aws:s3:::statebucket/deployer/*"]
    listed = statement(tmp_path, "ListState", more)
    assert listed["Condition"] == {"StringLike": {"s3:prefix": "deployer/*"}}
