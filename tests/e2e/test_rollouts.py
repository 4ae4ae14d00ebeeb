"""Rollouts in a lab, through the command line, under load: what is rolled out, and by whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.lab import ROLLOUT, TestLab, load

pytestmark = pytest.mark.lab


def test_the_image_is_real_instances_serve_from_their_own_disk_when_bundle_and_builder_are_gone(
    fleet: TestLab, tmp_path: Path
) -> None:
    bundles = tmp_path / "bundles"
    fleet.with_bundles(bundles)
    told = tmp_path / "told"
    for point in ("before-rollout", "before-bake", "on-builder", "after-bake"):
        hook = f'[[fleet.web.hooks]]\nat = "{point}"\nrun = ["sh", "-c", "echo {point} >>{told}"]\n'
        fleet.write(lambda text, hook=hook: f"{text}\n{hook}")
    baked = fleet.run("bake", "--output", "json")
    assert baked.code == 0, baked.err
    image = baked.document["image"]["id"] if isinstance(baked.document["image"], dict) else baked.document["image"]
    assert len(fleet.alive()) == 4, "the builder is gone"
    assert told.read_text().split() == ["before-bake", "on-builder", "after-bake"]
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
    fleet.wait_for(first, "baking")
    second = fleet.run(*ROLLOUT)
    assert second.code == 4
    assert "deployer resume" in second.err
    assert str(first.pid) in second.err
    done = fleet.finish(first)
    assert done.code == 0, done.err
    again = fleet.run(*ROLLOUT)
    assert (again.code, again.document["status"]) == (0, "nothing_to_do")
