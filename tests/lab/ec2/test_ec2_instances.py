"""The life of an instance: what RunInstances, Stop, Start, Reboot and Terminate do."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from deployer.lab.context import InstanceFacts, LabSettings, Power
from deployer.lab.ec2.troubles import Trouble
from tests.lab.ec2.cloud import QUICK, Cloud, Lab, client_at, refusal, until


def test_an_instance_is_pending_then_running(cloud: Cloud) -> None:
    (launched,) = cloud.launch()
    assert launched["State"] == {"Code": 0, "Name": "pending"}
    cloud.wait_for(launched["InstanceId"], "running")


def test_a_launched_instance_carries_what_the_request_and_its_image_say(cloud: Cloud) -> None:
    (instance_id,) = cloud.running()
    shown = cloud.describe(instance_id)
    assert shown["InstanceType"] == cloud.instance_type
    assert shown["ImageId"] == cloud.image
    assert shown["Architecture"] == "x86_64"
    assert shown["VirtualizationType"] == "hvm"
    assert shown["RootDeviceName"] == shown["BlockDeviceMappings"][0]["DeviceName"]
    assert shown["BlockDeviceMappings"][0]["Ebs"]["Status"] == "attached"
    assert re.fullmatch(r"ip-[\d-]+\..+", shown["PrivateDnsName"])
    assert shown["PrivateIpAddress"].replace(".", "-") in shown["PrivateDnsName"]


def test_a_subnet_decides_zone_and_network(cloud: Cloud) -> None:
    subnet = cloud.ec2.describe_subnets()["Subnets"][1]
    (launched,) = cloud.launch(SubnetId=subnet["SubnetId"])
    assert launched["Placement"]["AvailabilityZone"] == subnet["AvailabilityZone"]
    assert launched["SubnetId"] == subnet["SubnetId"]
    assert launched["VpcId"] == subnet["VpcId"]


def test_an_unknown_subnet_is_refused(cloud: Cloud) -> None:
    assert refusal(lambda: cloud.launch(SubnetId="subnet-0123456789abcdef0")) == "InvalidSubnetID.NotFound"


def test_without_a_zone_the_lab_spreads_instances_over_zones(cloud: Cloud, lab: Lab) -> None:
    zones = [cloud.launch()[0]["Placement"]["AvailabilityZone"] for _ in range(3)]
    assert sorted(zones) == ["eu-west-1a", "eu-west-1b", "eu-west-1c"]


def test_the_private_address_is_one_of_the_lab_network_in_the_zone_subnet(cloud: Cloud, lab: Lab) -> None:
    (launched,) = cloud.launch(Placement={"AvailabilityZone": "eu-west-1b"})
    assert launched["PrivateIpAddress"].startswith("127.201.16.")
    (subnet,) = cloud.ec2.describe_subnets(SubnetIds=[launched["SubnetId"]])["Subnets"]
    assert subnet["CidrBlock"] == "127.201.16.0/20"


def test_a_private_address_outside_the_subnet_is_refused(cloud: Cloud) -> None:
    assert refusal(lambda: cloud.launch(PrivateIpAddress="192.0.2.1")) == "InvalidParameterValue"


def test_tags_given_at_launch_are_there_from_the_first_answer(cloud: Cloud) -> None:
    (launched,) = cloud.launch(
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "Service", "Value": "shop"}]},
            {"ResourceType": "volume", "Tags": [{"Key": "Disk", "Value": "root"}]},
        ]
    )
    assert launched["Tags"] == [{"Key": "Service", "Value": "shop"}]
    volume = cloud.root_volume(launched["InstanceId"])
    assert cloud.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Tags"] == [
        {"Key": "Disk", "Value": "root"}
    ]


def test_tags_that_begin_with_aws_are_refused(cloud: Cloud) -> None:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "aws:x", "Value": "1"}]}]
    assert refusal(lambda: cloud.launch(TagSpecifications=tags)) == "InvalidParameterValue"


def test_user_data_and_key_name_reach_the_machine_and_user_data_only_at_the_first_boot(
    cloud: Cloud, lab: Lab
) -> None:
    cloud.ec2.create_key_pair(KeyName="ops", KeyType="ed25519")
    (instance_id,) = cloud.running(UserData="#!/bin/sh\necho hi\n", KeyName="ops")
    until(lambda: "on" in lab.room.did(instance_id), "the machine is on")
    cloud.ec2.stop_instances(InstanceIds=[instance_id])
    cloud.wait_for(instance_id, "stopped")
    cloud.ec2.start_instances(InstanceIds=[instance_id])
    until(lambda: lab.room.did(instance_id) == ["on", "off", "on"], "the machine is on again")
    first, second = lab.room.specs[instance_id]
    assert first.user_data == b"#!/bin/sh\necho hi\n"
    assert second.user_data == b""
    assert first.key_names == ("ops",)
    assert lab.ec2.public_keys(["ops"])[0].startswith("ssh-ed25519 ")


def test_an_unknown_key_pair_is_refused(cloud: Cloud) -> None:
    assert refusal(lambda: cloud.launch(KeyName="nobody-has-this")) == "InvalidKeyPair.NotFound"


def test_user_data_longer_than_16_kb_is_refused(cloud: Cloud) -> None:
    assert refusal(lambda: cloud.launch(UserData="x" * 16385)) == "InvalidParameterValue"


def test_an_unknown_instance_type_is_refused(cloud: Cloud) -> None:
    assert refusal(lambda: cloud.launch(InstanceType="t3.gigantic")) == "InvalidParameterValue"


def test_max_count_launches_that_many_in_one_reservation(cloud: Cloud) -> None:
    launched = cloud.launch(3)
    assert [one["AmiLaunchIndex"] for one in launched] == [0, 1, 2]
    found = cloud.ec2.describe_instances(InstanceIds=[one["InstanceId"] for one in launched])["Reservations"]
    assert [len(reservation["Instances"]) for reservation in found] == [3]


def test_min_count_above_max_count_is_refused(cloud: Cloud) -> None:
    assert refusal(lambda: cloud.launch(MinCount=3, MaxCount=2)) == "InvalidParameterValue"


def test_a_zone_with_too_little_room_launches_part_of_the_request(cloud: Cloud, lab: Lab) -> None:
    lab.ec2.capacity.limit(2, zone="eu-west-1a")
    launched = cloud.launch(MinCount=1, MaxCount=5, Placement={"AvailabilityZone": "eu-west-1a"})
    assert len(launched) == 2


def test_a_zone_without_room_refuses_and_another_zone_or_type_still_launches(cloud: Cloud, lab: Lab) -> None:
    lab.ec2.capacity.limit(0, zone="eu-west-1a", instance_type="t3.micro")
    a = {"AvailabilityZone": "eu-west-1a"}
    assert refusal(lambda: cloud.launch(Placement=a)) == "InsufficientInstanceCapacity"
    assert cloud.launch(Placement={"AvailabilityZone": "eu-west-1b"})
    assert cloud.launch(Placement=a, InstanceType="t3.small")


def test_a_stopped_instance_gives_its_capacity_back_and_may_fail_to_start(cloud: Cloud, lab: Lab) -> None:
    a = {"AvailabilityZone": "eu-west-1a"}
    (instance_id,) = cloud.running(Placement=a)
    cloud.ec2.stop_instances(InstanceIds=[instance_id])
    cloud.wait_for(instance_id, "stopped")
    lab.ec2.capacity.limit(1, zone="eu-west-1a")
    cloud.launch(Placement=a)
    assert refusal(lambda: cloud.ec2.start_instances(InstanceIds=[instance_id])) == "InsufficientInstanceCapacity"


def test_the_same_token_and_parameters_give_the_same_instances(cloud: Cloud) -> None:
    first = cloud.launch(ClientToken="slot-1")
    second = cloud.launch(ClientToken="slot-1")
    assert [one["InstanceId"] for one in first] == [one["InstanceId"] for one in second]


def test_the_same_token_with_other_parameters_is_a_mismatch(cloud: Cloud) -> None:
    cloud.launch(ClientToken="slot-2")
    code = refusal(lambda: cloud.launch(ClientToken="slot-2", InstanceType="t3.small"))
    assert code == "IdempotentParameterMismatch"


def test_a_token_whose_instance_was_terminated_is_spent(cloud: Cloud) -> None:
    (launched,) = cloud.launch(ClientToken="slot-3")
    cloud.ec2.terminate_instances(InstanceIds=[launched["InstanceId"]])
    cloud.wait_for(launched["InstanceId"], "terminated")
    assert refusal(lambda: cloud.launch(ClientToken="slot-3")) == "IdempotentInstanceTerminated"


def test_a_token_is_zonal_when_the_request_names_a_subnet(cloud: Cloud) -> None:
    one, other = (subnet["SubnetId"] for subnet in cloud.ec2.describe_subnets()["Subnets"][:2])
    (first,) = cloud.launch(ClientToken="slot-4", SubnetId=one)
    (second,) = cloud.launch(ClientToken="slot-4", SubnetId=other)
    assert first["InstanceId"] != second["InstanceId"]


def test_a_launch_is_found_by_its_client_token(cloud: Cloud) -> None:
    (launched,) = cloud.launch(ClientToken="slot-5")
    found = cloud.ec2.describe_instances(Filters=[{"Name": "client-token", "Values": ["slot-5"]}])
    assert found["Reservations"][0]["Instances"][0]["InstanceId"] == launched["InstanceId"]


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


def test_a_launch_ordered_to_fail_never_runs(cloud: Cloud, lab: Lab) -> None:
    lab.ec2.troubles.order(Trouble.LAUNCH_FAILED)
    (launched,) = cloud.launch()
    cloud.wait_for(launched["InstanceId"], "terminated")
    assert lab.room.did(launched["InstanceId"]) == []


def test_a_refused_launch_leaves_nothing_behind(cloud: Cloud, lab: Lab) -> None:
    lab.room.addresses_left = 2
    assert refusal(lambda: cloud.launch(3)) == "InsufficientFreeAddressesInSubnet"
    assert cloud.ec2.describe_instances()["Reservations"] == []
    assert cloud.ec2.describe_volumes()["Volumes"] == []


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


def test_an_instance_profile_is_carried(cloud: Cloud, lab: Lab, endpoint: str) -> None:
    iam = client_at(endpoint, "iam")
    arn = iam.create_instance_profile(InstanceProfileName="web")["InstanceProfile"]["Arn"]
    (launched,) = cloud.launch(IamInstanceProfile={"Name": "web"})
    assert launched["IamInstanceProfile"]["Arn"] == arn
    assert refusal(lambda: cloud.launch(IamInstanceProfile={"Name": "none"})) == "InvalidParameterValue"


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
