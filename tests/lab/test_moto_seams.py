"""The places where the lab takes hold of moto, which move between moto's releases.

When this fails after a change of moto's version: read what moved, mend the lab, run the conformance
tests, and only then write the new version here and in pyproject.toml.
"""

from __future__ import annotations

import importlib.metadata
import inspect

from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.base_backend import BackendDict, BaseBackend
from moto.core.exceptions import ServiceException
from moto.core.resource_tagging import TaggedResource
from moto.core.responses import BaseResponse
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateVersion
from moto.ec2.responses import EC2Response
from moto.iam.models import IAMBackend
from moto.sns.models import SNSBackend


def parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


def test_moto_is_the_version_that_the_lab_was_written_for() -> None:
    assert importlib.metadata.version("moto") == "5.2.5"


def test_a_response_class_calls_one_method_for_every_action() -> None:
    assert parameters(BaseResponse.call_action) == ["self"]
    assert parameters(BaseResponse._get_action) == ["self"]
    source = inspect.getsource(BaseResponse.setup_class)
    assert "self.parse_parameters(request)" in source
    assert "self.current_account =" in source
    assert "self.region =" in source


def test_ec2_parses_its_parameters_by_botocores_model() -> None:
    assert EC2Response().automated_parameter_parsing is True


def test_cloudwatch_parses_its_parameters_by_botocores_model() -> None:
    assert CloudWatchResponse().automated_parameter_parsing is True
    assert parameters(CloudWatchResponse.put_metric_alarm) == ["self"]


def test_a_topic_is_published_to_by_its_arn() -> None:
    assert {"message", "arn", "subject"} <= set(parameters(SNSBackend.publish))


def test_a_backend_class_can_be_exchanged_before_its_first_use() -> None:
    assert isinstance(ec2_backends, BackendDict)
    assert issubclass(ec2_backends.backend, EC2Backend)
    assert "backend=self.backend" in inspect.getsource(BackendDict._create_account_specific_backend)


def test_a_backend_of_another_module_names_its_routes_itself() -> None:
    assert isinstance(inspect.getattr_static(BaseBackend, "_url_module"), property)


def test_the_default_network_is_made_by_one_method() -> None:
    assert parameters(EC2Backend.create_default_vpc) == ["self"]
    assert "self.create_default_vpc()" in inspect.getsource(EC2Backend.__init__)
    assert {"vpc_id", "cidr_block", "availability_zone"} <= set(parameters(EC2Backend.create_subnet))
    assert {"cidr_block", "is_default"} <= set(parameters(EC2Backend.create_vpc))


def test_networks_keys_and_roles_are_looked_up_by_these_methods() -> None:
    assert parameters(EC2Backend.get_subnet) == ["self", "subnet_id"]
    assert parameters(EC2Backend.get_default_subnets) == ["self"]
    assert parameters(EC2Backend.get_default_security_group) == ["self", "vpc_id"]
    assert parameters(EC2Backend.get_security_group_from_id) == ["self", "group_id"]
    assert parameters(EC2Backend.get_security_group_from_name) == ["self", "name", "vpc_id"]
    assert parameters(IAMBackend.get_instance_profile) == ["self", "profile_name"]
    assert parameters(IAMBackend.get_instance_profile_by_arn) == ["self", "profile_arn"]


def test_tags_of_networks_go_through_these_methods() -> None:
    assert parameters(EC2Backend.do_resources_exist) == ["self", "resource_ids"]
    assert parameters(EC2Backend.create_tags) == ["self", "resource_ids", "tags"]
    assert parameters(EC2Backend.delete_tags) == ["self", "resource_ids", "tags"]
    assert parameters(EC2Backend.describe_tags) == ["self", "filters"]
    assert parameters(EC2Backend.iter_tagged_resources) == ["self"]
    assert {"arn", "tags", "resource_type"} <= set(parameters(TaggedResource))


def test_launch_templates_are_a_list_of_versions_by_number() -> None:
    assert parameters(EC2Backend.create_launch_template)[1:] == ["name", "description", "template_data", "tag_spec"]
    assert parameters(EC2Backend.delete_launch_template) == ["self", "name", "tid"]
    assert parameters(LaunchTemplate.create_version) == ["self", "data", "description"]
    assert parameters(LaunchTemplateVersion.__init__) == ["self", "template", "number", "data", "description"]


def test_instance_types_say_which_images_they_run() -> None:
    small = INSTANCE_TYPES["t3.small"]
    assert small["ProcessorInfo"]["SupportedArchitectures"] == ["x86_64"]
    assert small["SupportedVirtualizationTypes"] == ["hvm"]


def test_an_error_has_a_code_and_a_message() -> None:
    error = ServiceException("SomeCode", "some words")
    assert (error.code, error.message) == ("SomeCode", "some words")
