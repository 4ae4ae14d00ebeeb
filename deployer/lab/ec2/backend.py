"""moto's EC2 backend, with a network that machines on this computer really have."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from moto.core.resource_tagging import TaggedResource
from moto.ec2 import urls
from moto.ec2.models import EC2Backend, ec2_backends

from deployer.lab.ec2.service import Ec2
from deployer.lab.ec2.tags import kind_of

ZONE_PREFIX = 20
"""Each zone's subnet is one /20 of the lab's /16, in the zones' order, as in a default VPC of AWS."""


def install_backend(ec2: Ec2) -> None:
    """Makes moto use a backend of ours for EC2, from its next use on; what it held before is dropped."""
    ec2_backends.backend = _backend_class(ec2)
    ec2_backends.clear()


def _backend_class(ec2: Ec2) -> type[EC2Backend]:
    context = ec2.context

    class LabEc2Backend(EC2Backend):
        """moto's bookkeeping over the lab's own loopback network."""

        # moto derives the module of a service's routes from the module its backend class is in.
        _url_module = urls

        def create_default_vpc(self) -> Any:
            """The default network: the lab's /16 in the lab's region, moto's own elsewhere."""
            if self.region_name != context.settings.region:
                return super().create_default_vpc()
            vpc = self.create_vpc(cidr_block=f"{context.network}.0.0/16", is_default=True)
            blocks = list(ipaddress.ip_network(vpc.cidr_block).subnets(new_prefix=ZONE_PREFIX))
            for zone, block in zip(context.zone_names(), blocks, strict=False):
                self.create_subnet(vpc_id=vpc.id, cidr_block=str(block), availability_zone=zone)
            return vpc

        def iter_tagged_resources(self) -> Iterator[TaggedResource]:
            """For the Resource Groups Tagging API: moto's resources and ours."""
            yield from super().iter_tagged_resources()
            for record in ec2.region(self.region_name).store.all_tagged():
                kind = kind_of(record.id)
                arn = f"arn:{self.partition}:ec2:{self.region_name}:{self.account_id}:{kind}/{record.id}"
                yield TaggedResource(arn=arn, tags=dict(record.tags), resource_type=f"ec2:{kind}")

    return LabEc2Backend
