"""What the two APIs share of one lab."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.lab.balancers.addresses import Addresses
from deployer.lab.balancers.control import ControlPlane
from deployer.lab.context import InstanceDirectory


@dataclass(frozen=True)
class Room:
    """The live side of the balancers, as the API's backends reach it."""

    plane: ControlPlane
    addresses: Addresses
    instances: InstanceDirectory
