"""A rollout that is killed, and resumed from elsewhere, in a lab under load."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.e2e.lab import ROLLOUT, Ended, TestLab, load

pytestmark = pytest.mark.lab


def kill_and_resume(fleet: TestLab, after: float, elsewhere: Path) -> Ended:
    """Kills a rollout at some moment, and goes on with it from another folder, as another machine would."""
    rollout = fleet.start(*ROLLOUT)
    time.sleep(after)
    rollout.kill()
    rollout.communicate()
    elsewhere.mkdir()
    (elsewhere / "deployer.toml").write_text((fleet.folder / "deployer.toml").read_text())
    return fleet.run("resume", "--output", "json", folder=elsewhere)


@pytest.mark.parametrize(("store", "after"), [("s3", 20.0), ("dynamodb", 32.0)])
def test_killed_at_any_moment_it_is_resumed_from_another_folder_with_a_shared_store(
    fleet: TestLab, tmp_path: Path, store: str, after: float
) -> None:
    if store == "s3":
        where = "s3://deployer-state/fleets"
        fleet.client("s3").create_bucket(
            Bucket="deployer-state", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
    else:
        where = "dynamodb://deployer-state"
        fleet.client("dynamodb").create_table(
            TableName="deployer-state",
            KeySchema=[
                {"AttributeName": "fleet", "KeyType": "HASH"},
                {"AttributeName": "item", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "fleet", "AttributeType": "S"},
                {"AttributeName": "item", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
    fleet.write(lambda text: text[: text.index("[state]")] + f'[state]\nstore = "{where}"\n')
    with load(fleet) as requests:
        resumed = kill_and_resume(fleet, after, tmp_path / "elsewhere")
    assert resumed.code == 0, resumed.err
    assert fleet.releases() == ["2"] * 4
    assert requests["failed"] == 0
    left = fleet.run("doctor", "--leftovers")
    assert left.code == 0, left.out
    assert len(fleet.alive()) == 4
