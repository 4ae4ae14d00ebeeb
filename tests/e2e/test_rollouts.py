"""Rollouts in a lab, through the command line, under load: the promises as a user sees them."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.e2e.lab import Ended, TestLab, load

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

ROLLOUT = ("rollout", "--batch", "50%", "--output", "json")


def wait_for(path_made: object, text: str, process: object) -> None:
    """Reads a rollout's log until it says `text`."""
    stream = process.stderr  # type: ignore[attr-defined]
    for line in stream:
        if text in line:
            return
    raise AssertionError(f"the rollout never said {text!r}")


def test_the_image_is_real_instances_serve_from_their_own_disk_when_bundle_and_builder_are_gone(
    fleet: TestLab, tmp_path: Path
) -> None:
    bundles = tmp_path / "bundles"
    fleet.with_bundles(bundles)
    baked = fleet.run("bake", "--output", "json")
    assert baked.code == 0, baked.err
    image = baked.document["image"]["id"] if isinstance(baked.document["image"], dict) else baked.document["image"]
    assert len(fleet.alive()) == 4, "the builder is gone"
    for path in sorted(bundles.rglob("*"), reverse=True):
        path.unlink() if not path.is_dir() or path.is_symlink() else path.rmdir()
    with load(fleet) as requests:
        done = fleet.run(*ROLLOUT, "--image", image)
    assert done.code == 0, done.err
    assert done.document["instances"]["replaced"] == 4
    assert fleet.releases() == ["2"] * 4
    assert requests["failed"] == 0
    assert requests["by_release"]["2"] > 0
    [found] = fleet.client("ec2").describe_images(ImageIds=[image])["Images"]
    snapshot = found["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    kept = [p for p in tmp_path.rglob("opt/shop/VERSION") if snapshot in p.parts]
    disks = [p for p in tmp_path.rglob("opt/shop/VERSION") if any(part.startswith("vol-") for part in p.parts)]
    assert [p.read_text().strip() for p in kept] == ["2"]
    assert len(disks) == 4
    assert all(p.read_text().strip() == "2" and p.stat().st_ino != kept[0].stat().st_ino for p in disks)


def test_a_second_rollout_is_refused_with_who_since_when_and_how_to_go_on(fleet: TestLab) -> None:
    first = fleet.start(*ROLLOUT)
    wait_for(fleet, "baking", first)
    second = fleet.run(*ROLLOUT)
    assert second.code == 4
    assert "deployer resume" in second.err
    assert str(first.pid) in second.err
    done = fleet.finish(first)
    assert done.code == 0, done.err
    again = fleet.run(*ROLLOUT)
    assert (again.code, again.document["status"]) == (0, "nothing_to_do")


def test_a_release_that_never_turns_healthy_leaves_every_old_instance_in_service(
    fleet: TestLab, tmp_path: Path
) -> None:
    fleet.with_bundles(tmp_path / "bundles")
    (tmp_path / "bundles" / "release-2" / "shop" / "FAULT").write_text("never\n")
    with load(fleet) as requests:
        done = fleet.run(*ROLLOUT, "--method", "in-place", "--floor", "50%")
    assert done.code == 1, done.err
    assert done.document["status"] == "rolled_back"
    assert fleet.releases() == ["1"] * 4
    assert requests["failed"] == 0


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


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_brings_what_is_in_flight_into_service_and_leaves_the_rollout_to_be_resumed(
    fleet: TestLab, number: signal.Signals, code: int
) -> None:
    rollout = fleet.start(*ROLLOUT)
    wait_for(fleet, "move=drain", rollout)
    rollout.send_signal(number)
    stopped = fleet.finish(rollout)
    assert stopped.code == code, stopped.err
    status = fleet.run("status", "--output", "json").document
    assert status["in_service"] == 4
    assert status["held"] is None
    resumed = fleet.run("resume", "--output", "json")
    assert resumed.code == 0, resumed.err
    assert fleet.releases() == ["2"] * 4


def test_a_rollback_needs_no_bake_and_loses_nothing(fleet: TestLab) -> None:
    forward = fleet.run(*ROLLOUT)
    assert forward.code == 0, forward.err
    with load(fleet) as requests:
        back = fleet.run("rollback", "--output", "json")
    assert (back.code, back.document["status"]) == (0, "succeeded"), back.err
    assert back.document["seconds"]["bake"] == 0
    assert back.document["seconds"]["total"] < forward.document["seconds"]["total"]
    assert fleet.releases() == ["1"] * 4
    assert requests["failed"] == 0
