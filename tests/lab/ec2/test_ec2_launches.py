"""What RunInstances gives and refuses: places, addresses, tags, counts, room and tokens."""

from __future__ import annotations

import re

from deployer.lab.ec2.troubles import Trouble
from tests.lab.ec2.cloud import Cloud, Lab, client_at, refusal, until


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


def test_an_instance_profile_is_carried(cloud: Cloud, lab: Lab, endpoint: str) -> None:
    iam = client_at(endpoint, "iam")
    arn = iam.create_instance_profile(InstanceProfileName="web")["InstanceProfile"]["Arn"]
    (launched,) = cloud.launch(IamInstanceProfile={"Name": "web"})
    assert launched["IamInstanceProfile"]["Arn"] == arn
    assert refusal(lambda: cloud.launch(IamInstanceProfile={"Name": "none"})) == "InvalidParameterValue"
