"""The life of an instance, through the API."""

from __future__ import annotations

from tests.lab.ec2.cloud import Cloud, Lab


def test_an_instance_is_pending_then_running(cloud: Cloud) -> None:
    (launched,) = cloud.launch()
    assert launched["State"] == {"Code": 0, "Name": "pending"}
    cloud.wait_for(launched["InstanceId"], "running")


def test_a_terminated_instance_is_still_shown_and_its_disk_is_gone(cloud: Cloud, lab: Lab) -> None:
    (instance_id,) = cloud.running()
    volume = cloud.root_volume(instance_id)
    cloud.ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.wait_for(instance_id, "terminated")
    assert not (lab.home / "volumes" / volume).exists()
    assert lab.room.did(instance_id) == ["on", "off", "forget"]
