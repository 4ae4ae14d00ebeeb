"""Each lab has a piece of loopback of its own."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator

import pytest

from deployer.lab.network import Network, free_port

ZONES = ("eu-west-1a", "eu-west-1b", "eu-west-1c")


@pytest.fixture
def network() -> Iterator[Network]:
    found = Network.reserve(ZONES)
    yield found
    found.release()


def test_two_labs_get_different_networks_and_a_released_one_can_be_had_again(network: Network) -> None:
    second = Network.reserve(ZONES)
    assert second.prefix != network.prefix
    second.release()
    third = Network.reserve(ZONES, start=int(second.prefix.split(".")[1]))
    third.release()
    assert third.prefix == second.prefix


def test_addresses_are_in_their_zones_subnet_and_subnets_do_not_overlap(network: Network) -> None:
    blocks = [ipaddress.ip_network(network.subnet(zone)) for zone in ZONES]
    for zone, block in zip(ZONES, blocks, strict=True):
        assert ipaddress.ip_address(network.free_address(zone, 2222)) in block
        assert block.subnet_of(ipaddress.ip_network(network.block))  # type: ignore[arg-type]
    assert not any(a.overlaps(b) for a in blocks for b in blocks if a is not b)


def test_an_address_is_not_given_twice_soon(network: Network) -> None:
    given = [network.free_address(ZONES[0], 2222) for _ in range(500)]
    assert len(set(given)) == 500


def test_an_address_in_use_is_passed_over(network: Network) -> None:
    first = network.free_address(ZONES[0], 2222)
    following = str(ipaddress.ip_address(first) + 1)
    with socket.socket() as holder:
        holder.bind((following, 2222))
        holder.listen()
        assert network.free_address(ZONES[0], 2222) != following


def test_a_port_that_another_program_holds_is_passed_over(network: Network) -> None:
    address = f"{network.prefix}.0.1"
    with socket.socket() as holder:
        holder.bind((address, 0))
        holder.listen()
        taken = holder.getsockname()[1]
        assert free_port(address, taken) != taken
