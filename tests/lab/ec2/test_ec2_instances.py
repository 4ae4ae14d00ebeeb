"""The life of an instance: what Stop, Start, Reboot and Terminate do, and what is shown of it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace

import pytest

from deployer.lab.context import InstanceFacts, LabSettings, Power
from tests.lab.ec2.cloud import QUICK, Cloud, Lab, client_at, refusal, until


def test_an_instance_is_pending_then_running(cloud: Cloud) -> None:
    (launched,) = cloud.launch()
    assert launched["State"] == {"Code": 0, "Name": "pending"}
    cloud.wait_for(launched["InstanceId"], "running")


def test_a_stopped_instance_gives_its_capacity_back_and_may_fail_to_start(cloud: Cloud, lab: Lab) -> None:
    a = {"AvailabilityZone": "eu-west-1a"}
    (instance_id,) = cloud.running(Placement=a)
    cloud.ec2.stop_instances(InstanceIds=[instance_id])
    cloud.wait_for(instance_id, "stopped")
    lab.ec2.capacity.limit(1, zone="eu-west-1a")
    cloud.launch(Placement=a)
    assert refusal(lambda: cloud.ec2.start_instances(InstanceIds=[instance_id])) == "InsufficientInstanceCapacity"


def test_stop_keeps_disk_and_address_and_start_boots_the_same_disk(cloud: Cloud, lab: Lab) -> None:
    (instance_id,) = cloud.running()
    until(lambda: lab.room.is_up(instance_id), "the machine is up")
    before = cloud.describe(instance_id)
    root = lab.room.specs[instance_id][0].root
    (root / "kept").write_text("yes")
    answer = cloud.ec2.stop_instances(InstanceIds=[instance_id])["StoppingInstances"][0]
    assert answer["PreviousState"]["Name"] == "running"
    assert answer["CurrentState"]["Name"] == "stopping"
    cloud.wait_for(instance_id, "stopped")
    assert cloud.describe(instance_id)["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    cloud.ec2.start_instances(InstanceIds=[instance_id])
    cloud.wait_for(instance_id, "running")
    after = cloud.describe(instance_id)
    assert after["PrivateIpAddress"] == before["PrivateIpAddress"]
    assert after["BlockDeviceMappings"][0]["Ebs"]["VolumeId"] == before["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    until(lambda: len(lab.room.specs[instance_id]) == 2, "the second boot")
    assert (lab.room.specs[instance_id][1].root / "kept").read_text() == "yes"


def test_starting_what_runs_and_stopping_what_is_stopped_change_nothing(cloud: Cloud) -> None:
    (instance_id,) = cloud.running()
    started = cloud.ec2.start_instances(InstanceIds=[instance_id])["StartingInstances"][0]
    assert started["PreviousState"]["Name"] == started["CurrentState"]["Name"] == "running"
    cloud.ec2.stop_instances(InstanceIds=[instance_id])
    cloud.wait_for(instance_id, "stopped")
    stopped = cloud.ec2.stop_instances(InstanceIds=[instance_id])["StoppingInstances"][0]
    assert stopped["PreviousState"]["Name"] == stopped["CurrentState"]["Name"] == "stopped"


def test_a_terminated_instance_cannot_be_started_stopped_or_rebooted(cloud: Cloud) -> None:
    (instance_id,) = cloud.running()
    cloud.ec2.terminate_instances(InstanceIds=[instance_id])
    for action in (cloud.ec2.start_instances, cloud.ec2.stop_instances, cloud.ec2.reboot_instances):
        assert refusal(lambda action=action: action(InstanceIds=[instance_id])) == "IncorrectInstanceState"


def test_a_reboot_switches_the_machine_off_and_on_while_the_state_stays_running(cloud: Cloud, lab: Lab) -> None:
    (instance_id,) = cloud.running()
    cloud.ec2.reboot_instances(InstanceIds=[instance_id])
    assert cloud.state(instance_id) == "running"
    until(lambda: lab.room.did(instance_id) == ["on", "off", "on"], "the machine is on again")


def test_a_machine_shut_down_from_inside_stops_its_instance(cloud: Cloud, lab: Lab) -> None:
    (instance_id,) = cloud.running()
    until(lambda: lab.room.is_up(instance_id), "the machine is up")
    lab.room.shut_down_from_inside(instance_id)
    cloud.wait_for(instance_id, "stopped")
    assert cloud.describe(instance_id)["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"


def test_a_machine_shut_down_from_inside_is_terminated_when_it_was_launched_so(cloud: Cloud, lab: Lab) -> None:
    (instance_id,) = cloud.running(InstanceInitiatedShutdownBehavior="terminate")
    until(lambda: lab.room.is_up(instance_id), "the machine is up")
    lab.room.shut_down_from_inside(instance_id)
    cloud.wait_for(instance_id, "terminated")


def test_a_terminated_instance_is_still_shown_and_its_disk_is_gone(cloud: Cloud, lab: Lab) -> None:
    (instance_id,) = cloud.running()
    volume = cloud.root_volume(instance_id)
    until(lambda: lab.room.is_up(instance_id), "the machine is up")
    cloud.ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.wait_for(instance_id, "terminated")
    assert not (lab.home / "volumes" / volume).exists()
    assert lab.room.did(instance_id) == ["on", "off", "forget"]


def test_terminating_a_terminated_instance_succeeds(cloud: Cloud) -> None:
    (instance_id,) = cloud.running()
    cloud.ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.wait_for(instance_id, "terminated")
    again = cloud.ec2.terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"][0]
    assert again["PreviousState"]["Name"] == again["CurrentState"]["Name"] == "terminated"


def test_one_unknown_id_and_none_is_terminated(cloud: Cloud) -> None:
    (instance_id,) = cloud.running()
    ids = [instance_id, "i-0123456789abcdef0"]
    assert refusal(lambda: cloud.ec2.terminate_instances(InstanceIds=ids)) == "InvalidInstanceID.NotFound"
    assert cloud.state(instance_id) == "running"


def test_one_protected_instance_keeps_its_zone_and_the_other_zones_go(cloud: Cloud) -> None:
    one, other = (subnet["SubnetId"] for subnet in cloud.ec2.describe_subnets()["Subnets"][:2])
    (protected,) = cloud.running(SubnetId=one, DisableApiTermination=True)
    (neighbour,) = cloud.running(SubnetId=one)
    (elsewhere,) = cloud.running(SubnetId=other)
    ids = [protected, neighbour, elsewhere]
    assert refusal(lambda: cloud.ec2.terminate_instances(InstanceIds=ids)) == "OperationNotPermitted"
    assert cloud.state(protected) == cloud.state(neighbour) == "running"
    cloud.wait_for(elsewhere, "terminated")


def test_a_volume_that_outlives_its_instance_becomes_available(cloud: Cloud) -> None:
    keep = [{"DeviceName": "/dev/xvda", "Ebs": {"DeleteOnTermination": False}}]
    (instance_id,) = cloud.running(BlockDeviceMappings=keep)
    volume = cloud.root_volume(instance_id)
    cloud.ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.wait_for(instance_id, "terminated")
    assert cloud.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["State"] == "available"
    cloud.ec2.delete_volume(VolumeId=volume)


def test_a_machine_that_cannot_be_had_ends_terminated_with_a_server_reason(cloud: Cloud, lab: Lab) -> None:
    lab.room.refuses.add("power_on")
    (launched,) = cloud.launch()
    cloud.wait_for(launched["InstanceId"], "terminated")
    assert cloud.describe(launched["InstanceId"])["StateReason"]["Code"] == "Server.InternalError"


def test_an_address_of_a_stopped_instance_is_not_given_to_another(cloud: Cloud, lab: Lab) -> None:
    (stopped,) = cloud.running(Placement={"AvailabilityZone": "eu-west-1a"})
    cloud.ec2.stop_instances(InstanceIds=[stopped])
    cloud.wait_for(stopped, "stopped")
    taken = cloud.describe(stopped)["PrivateIpAddress"]
    lab.room.again.append(taken)
    (other,) = cloud.launch(Placement={"AvailabilityZone": "eu-west-1a"})
    assert other["PrivateIpAddress"] != taken
    assert lab.room.again == []


def test_instance_type_changes_only_while_stopped(cloud: Cloud) -> None:
    (instance_id,) = cloud.running()

    def change() -> None:
        cloud.ec2.modify_instance_attribute(InstanceId=instance_id, InstanceType={"Value": "t3.small"})

    assert refusal(change) == "IncorrectInstanceState"
    cloud.ec2.stop_instances(InstanceIds=[instance_id])
    cloud.wait_for(instance_id, "stopped")
    change()
    assert cloud.describe(instance_id)["InstanceType"] == "t3.small"


def test_termination_protection_is_switched_and_read_as_an_attribute(cloud: Cloud) -> None:
    (instance_id,) = cloud.running()
    cloud.ec2.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": True})
    read = cloud.ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="disableApiTermination")
    assert read["DisableApiTermination"] == {"Value": True}
    assert refusal(lambda: cloud.ec2.terminate_instances(InstanceIds=[instance_id])) == "OperationNotPermitted"


def test_user_data_is_read_as_an_attribute(cloud: Cloud) -> None:
    (instance_id,) = cloud.running(UserData="#!/bin/sh\n")
    read = cloud.ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="userData")
    assert base64.b64decode(read["UserData"]["Value"]) == b"#!/bin/sh\n"


def test_metadata_options_default_to_the_image_and_can_be_changed(cloud: Cloud) -> None:
    (instance_id,) = cloud.running()
    assert cloud.describe(instance_id)["MetadataOptions"]["HttpTokens"] == "required"
    cloud.ec2.modify_instance_metadata_options(InstanceId=instance_id, HttpTokens="optional")
    assert cloud.describe(instance_id)["MetadataOptions"]["HttpTokens"] == "optional"


def test_the_console_is_what_the_machine_wrote(cloud: Cloud, lab: Lab) -> None:
    (instance_id,) = cloud.running()
    output = cloud.ec2.get_console_output(InstanceId=instance_id, Latest=True)["Output"]
    assert output == "Linux version 6.1\nlogin: "


def test_a_dry_run_says_that_the_call_would_have_succeeded(cloud: Cloud) -> None:
    assert refusal(lambda: cloud.ec2.describe_instances(DryRun=True)) == "DryRunOperation"


def test_other_regions_are_empty(lab: Lab, endpoint: str) -> None:
    elsewhere = client_at(endpoint, region="us-west-2")
    assert elsewhere.describe_instances()["Reservations"] == []
    assert elsewhere.describe_images(Owners=["self"])["Images"] == []


def test_listeners_hear_every_change_of_power_in_order(cloud: Cloud, lab: Lab) -> None:
    heard: list[InstanceFacts] = []
    lab.ec2.subscribe(heard.append)
    (instance_id,) = cloud.running()
    cloud.ec2.stop_instances(InstanceIds=[instance_id])
    cloud.wait_for(instance_id, "stopped")
    cloud.ec2.terminate_instances(InstanceIds=[instance_id])
    expected = [
        Power.PENDING,
        Power.RUNNING,
        Power.STOPPING,
        Power.STOPPED,
        Power.SHUTTING_DOWN,
        Power.TERMINATED,
    ]
    until(lambda: len(heard) >= len(expected), "all changes heard")
    assert [facts.power for facts in heard] == expected
    assert {facts.id for facts in heard} == {instance_id}


def test_the_directory_knows_an_instance_by_id_and_none_for_an_unknown_one(cloud: Cloud, lab: Lab) -> None:
    (instance_id,) = cloud.running()
    facts = lab.ec2.get(instance_id)
    assert facts is not None
    assert facts.address == cloud.describe(instance_id)["PrivateIpAddress"]
    assert lab.ec2.get("i-0123456789abcdef0") is None
    assert [known.id for known in lab.ec2.all()] == [instance_id]


def in_lab(make_lab: Callable[[LabSettings], Lab], endpoint: str, settings: LabSettings) -> Cloud:
    return Cloud(client_at(endpoint), make_lab(settings).image, "t3.micro")


def test_a_new_instance_may_not_be_seen_at_first(make_lab: Callable[[LabSettings], Lab], endpoint: str) -> None:
    cloud = in_lab(make_lab, endpoint, replace(QUICK, visibility_lag=0.5))
    (launched,) = cloud.launch()
    instance_id = launched["InstanceId"]
    assert refusal(lambda: cloud.describe(instance_id)) == "InvalidInstanceID.NotFound"
    assert cloud.ec2.describe_instances()["Reservations"] == []
    until(lambda: bool(cloud.ec2.describe_instances()["Reservations"]), "the instance is shown")


def test_a_terminated_instance_disappears_after_its_time(
    make_lab: Callable[[LabSettings], Lab], endpoint: str
) -> None:
    cloud = in_lab(make_lab, endpoint, replace(QUICK, terminated_shown=0.3))
    (instance_id,) = cloud.running()
    cloud.ec2.terminate_instances(InstanceIds=[instance_id])

    def gone() -> bool:
        return cloud.ec2.describe_instances()["Reservations"] == []

    until(gone, "the terminated instance is no longer shown")
    assert refusal(lambda: cloud.describe(instance_id)) == "InvalidInstanceID.NotFound"


def test_an_instance_terminated_while_pending_never_boots(
    make_lab: Callable[[LabSettings], Lab], endpoint: str
) -> None:
    lab = make_lab(replace(QUICK, pending=0.5))
    cloud = Cloud(client_at(endpoint), lab.image, "t3.micro")
    (launched,) = cloud.launch()
    cloud.ec2.terminate_instances(InstanceIds=[launched["InstanceId"]])
    cloud.wait_for(launched["InstanceId"], "terminated")
    until(lambda: not list((lab.home / "volumes").iterdir()), "its disk is gone")
    assert lab.room.did(launched["InstanceId"]) == []


@pytest.mark.parametrize("action", ["stop_instances", "reboot_instances"])
def test_a_pending_instance_cannot_be_stopped_or_rebooted(
    make_lab: Callable[[LabSettings], Lab], endpoint: str, action: str
) -> None:
    cloud = in_lab(make_lab, endpoint, replace(QUICK, pending=30.0))
    (launched,) = cloud.launch()
    call = getattr(cloud.ec2, action)
    assert refusal(lambda: call(InstanceIds=[launched["InstanceId"]])) == "IncorrectInstanceState"
