"""Instance types are looked up before anything is launched: whether they exist, and run the image."""

from __future__ import annotations

import pytest

from deployer.aws.instance_types import refuse_type
from deployer.model.errors import PreflightRefused
from tests.aws.wire import Reply, Wire, ec2, ec2_error


def types(architecture: str) -> Reply:
    processor = f"<supportedArchitectures><item>{architecture}</item></supportedArchitectures>"
    one = f"<item><instanceType>m5.large</instanceType><processorInfo>{processor}</processorInfo></item>"
    return ec2("DescribeInstanceTypes", f"<instanceTypeSet>{one}</instanceTypeSet>")


@pytest.fixture
def of_x86(wire: Wire) -> Wire:
    image = "<item><imageId>ami-1</imageId><architecture>x86_64</architecture></item>"
    wire.script["DescribeImages"] = [ec2("DescribeImages", f"<imagesSet>{image}</imagesSet>")]
    return wire


def test_a_type_that_runs_the_image_is_fine(of_x86: Wire) -> None:
    of_x86.script["DescribeInstanceTypes"] = [types("x86_64")]
    refuse_type(of_x86.session(), "m5.large", "ami-1")


def test_a_type_of_another_architecture_is_refused_with_both(of_x86: Wire) -> None:
    of_x86.script["DescribeInstanceTypes"] = [types("arm64")]
    with pytest.raises(PreflightRefused, match=r"m5\.large runs arm64, and the image ami-1 is for x86_64"):
        refuse_type(of_x86.session(), "m5.large", "ami-1")


def test_a_type_that_does_not_exist_is_refused(of_x86: Wire) -> None:
    of_x86.script["DescribeInstanceTypes"] = [ec2_error("InvalidInstanceType")]
    with pytest.raises(PreflightRefused, match=r"no instance type m5\.huge in eu-west-1"):
        refuse_type(of_x86.session(), "m5.huge", "ami-1")


def test_what_cannot_be_looked_up_is_not_taken_for_a_type_that_does_not_exist(of_x86: Wire) -> None:
    of_x86.script["DescribeInstanceTypes"] = [ec2_error("UnauthorizedOperation")]
    with pytest.raises(PreflightRefused, match="looking up the instance type"):
        refuse_type(of_x86.session(), "m5.large", "ami-1")
