"""The lab's process: builds the lab, keeps it running until SIGTERM, and takes it down."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from deployer.lab.access import client_key, exports, write_ssh_config
from deployer.lab.context import Directory, LabContext, LabSettings
from deployer.lab.door.keys import Keyring, LabKeys
from deployer.lab.examples import anonymous_releases
from deployer.lab.home import OWNER_MARK, Facts, LabHome, Phase, Process, one_user_note, walls_note
from deployer.lab.listener import Listener
from deployer.lab.network import Network, free_port
from deployer.lab.order import Order, TrafficPort
from deployer.model.errors import DeployerError
from deployer.model.fleet import Tag

if TYPE_CHECKING:
    from deployer.lab.autoscaling.service import Groups
    from deployer.lab.balancers import Balancers
    from deployer.lab.codedeploy import CodeDeploy
    from deployer.lab.ec2 import Ec2
    from deployer.lab.endpoint import Endpoint
    from deployer.lab.fleet import Clients
    from deployer.lab.iam.guard import Guard
    from deployer.lab.machines.room import Room

_log = logging.getLogger("deployer.lab")
_LETTERS = "abcdef"

_MOTO_SETTINGS = {
    # moto's own image list costs a second at the first EC2 call, and none of it can boot here.
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
    # Who gets in is the door's to say, before moto hears of it.
    "INITIAL_NO_AUTH_ACTION_COUNT": "inf",
    # No web page is to read what the lab answers.
    "MOTO_DISABLE_GLOBAL_CORS": "true",
}


class Stopped(Exception):
    """SIGTERM or SIGINT came."""


class Lab:
    """One running lab and all its rooms, in the order in which they need each other."""

    def __init__(self, home: LabHome, order: Order) -> None:
        self._home = home
        self._order = order
        self._facts = Facts(home.name, Phase.STARTING, Process.current(), region=order.settings.region)
        self._closers: list[Callable[[], None]] = []
        self._keys = LabKeys.make(home.keys)
        self._room: Room
        self._ec2: Ec2
        self._balancers: Balancers
        self._groups: Groups
        self._codedeploy: CodeDeploy
        self._endpoint: Endpoint
        self._golden: Future[Path]

    def say(self, text: str) -> None:
        """One line of progress, for `lab up` to show."""
        _log.info("%s", text)
        self._tell(progress=(*self._facts.progress, text))

    def _tell(self, **changes: Any) -> None:
        self._facts = replace(self._facts, **changes)
        self._home.write(self._facts)

    def start(self) -> None:
        """From an empty folder to a fleet in service."""
        self._tell()
        self._build()
        if self._order.fleet.bundle:
            self._seed()
        self._tell(phase=Phase.READY)

    def fail(self, reason: str) -> None:
        """Says why there is no lab."""
        self._tell(phase=Phase.FAILED, error=reason)

    def stop(self) -> None:
        """Takes everything down, last built first; one room's trouble does not keep the others up."""
        for close in reversed(self._closers):
            began = time.monotonic()
            try:
                close()
                _log.debug("%s took %.2f s", close, time.monotonic() - began)
            except Exception:  # noqa: BLE001 - whatever one room does, the others close
                _log.exception("the lab did not close in order")

    def _build(self) -> None:
        os.environ.update(_MOTO_SETTINGS)
        settings = self._order.settings
        # An ALB needs subnets in two zones, also in front of a fleet that stands in one (ELB user guide).
        letters = tuple(_LETTERS[: max(2, self._order.fleet.zones)])
        zones = tuple(settings.region + letter for letter in letters)
        network = Network.reserve(zones)
        self._closers.append(network.release)
        gateway = f"{network.prefix}.0.1"
        settings = replace(
            settings,
            ssh_port=free_port(gateway, settings.ssh_port),
            app_port=free_port(gateway, settings.app_port),
            traffic_port=free_port(gateway, settings.traffic_port),
        )
        self._order = replace(self._order, settings=settings)
        home = self._home
        write_ssh_config(home.ssh_config, network.prefix, settings.ssh_port, home.key, home.known_hosts)
        self._tell(network=network.block, ssh_port=settings.ssh_port, app_port=settings.app_port)

        address = Listener()
        self._room = self._machine_room(settings, network, address.url)
        if self._order.fleet.bundle:
            # The first disk is made while moto is being imported: each takes about a second.
            self._golden = ThreadPoolExecutor(1).submit(self._golden_disk, zones[0])

        from deployer.lab.endpoint import Endpoint, Site
        from deployer.lab.pages import Pages

        site = Site(self._keyring())
        self._endpoint = Endpoint(site, address)
        context = LabContext(
            directory=Directory(self._home.folder),
            settings=settings,
            network=network.prefix,
            machines=self._room,
            instances=_Nobody(),
            zones=letters,
        )
        self._install(context)
        site.front.guard = self._guard()
        Pages(site, self._room, self._ec2, self._balancers).add(self._home.name, network.block)
        self._endpoint.start()
        self._closers.append(self._endpoint.stop)
        self._tell(endpoint=self._endpoint.address)
        self.say(f"AWS endpoint at {self._endpoint.address}, machines in {network.block}")

    def _keyring(self) -> Keyring:
        """The lab's own keys, and those that its IAM gave out."""
        from deployer.lab.door.iam_keys import find_iam_key

        own = self._keys.ring(self._order.settings.account)
        return lambda key_id: own(key_id) or find_iam_key(key_id)

    def _golden_disk(self, zone: str) -> Path:
        from deployer.lab.golden import make_golden_disk

        fleet = self._order.fleet
        bundle = Path(fleet.bundle)
        if not fleet.names_release:
            bundle = anonymous_releases(self._home.bundles) / bundle.name
        return make_golden_disk(self._room, self._home.folder / "golden", zone, bundle)

    def _machine_room(self, settings: LabSettings, network: Network, endpoint: str) -> Room:
        from deployer.lab.machines.room import Room

        key = client_key(self._home.key)
        environment = {
            OWNER_MARK: str(self._home.folder),
            "DEPLOYER_LAB": self._home.name,
            **exports(endpoint, settings.region, self._keys.machines),
        }
        room = Room(
            Directory(self._home.folder),
            settings,
            network,
            environment=environment,
            public_keys=lambda names: [found for name in names if (found := self._public_key(name, key))],
        )
        self._closers.append(room.stop)
        if room.one_user:
            self._tell(one_user=room.one_user)
            self.say(one_user_note(room.one_user))
        self.say(walls_note())
        return room

    def _public_key(self, name: str, own: str) -> str | None:
        """A key pair's public key, as EC2 has it."""
        from moto.ec2.models import ec2_backends

        from deployer.lab.fleet import KEY_NAME

        if name == KEY_NAME:
            return own
        pair = ec2_backends[self._order.settings.account][self._order.settings.region].key_pairs.get(name)
        return None if pair is None else str(pair.public_key).strip()

    def _install(self, context: LabContext) -> None:
        from deployer.lab import alarms, autoscaling, balancers, codedeploy, ec2

        self._ec2 = ec2.install(context)
        self._closers.append(self._ec2.close)
        context.instances = self._ec2
        # In the main thread: Envoy is tied to the life of the thread that started it.
        self._balancers = balancers.install(context)
        self._closers.append(self._balancers.stop)
        watching = alarms.install(context, self._balancers.counted)
        self._closers.append(watching.stop)
        self._codedeploy = codedeploy.install(context, self._ec2.home.power.terminate, watching.rings)
        self._closers.append(self._codedeploy.close)
        self._groups = autoscaling.install(context, self._ec2, watching)
        self._closers.append(self._groups.stop)
        watching.start()

    def _guard(self) -> Guard:
        """What users and roles of the lab's IAM may do; its own keys may do everything."""
        from deployer.lab.iam.guard import Guard
        from deployer.lab.iam.world import LabWorld

        settings = self._order.settings
        world = LabWorld(self._ec2, self._groups, self._codedeploy)
        return Guard(settings.account, settings.region, world, self._home.folder / "trail.jsonl")

    def _clients(self) -> Clients:
        import boto3

        from deployer.lab.fleet import Clients

        session = boto3.session.Session(
            self._keys.owner.id, self._keys.owner.secret, region_name=self._order.settings.region
        )
        address = self._endpoint.address
        return Clients(
            session.client("ec2", endpoint_url=address),
            session.client("elbv2", endpoint_url=address),
            session.client("elb", endpoint_url=address),
            session.client("autoscaling", endpoint_url=address),
            session.client("s3", endpoint_url=address),
        )

    def _seed(self) -> None:
        """The golden image, then the fleet from it."""
        from deployer.lab import ec2
        from deployer.lab.fleet import BUNDLES, KEY_NAME, NAME, OTHER_PORT, OTHER_SIDE, FleetSeed, Ports

        fleet, settings = self._order.fleet, self._order.settings
        zones = tuple(settings.region + letter for letter in _LETTERS)
        disk = self._golden.result()
        # By the tag of ours an application is known that names no release.
        tags = {"Service": "shop", "Role": "web", "Release": fleet.release, Tag.RELEASE: fleet.release}
        image = ec2.seed_base_image(self._ec2, f"web-release-{fleet.release}", disk, tags=tags)
        self.say(f"image {image} with release {fleet.release}")
        clients = self._clients()
        clients.ec2.import_key_pair(
            KeyName=KEY_NAME, PublicKeyMaterial=self._home.key.with_suffix(".pub").read_bytes()
        )
        region: Any = {"LocationConstraint": settings.region}
        clients.s3.create_bucket(Bucket=BUNDLES, CreateBucketConfiguration=region)
        self._room.boot = fleet.boot
        FleetSeed(clients, fleet, Ports(settings.app_port, settings.traffic_port), self.say).make(
            image, zones[: fleet.zones], zones[: max(2, fleet.zones)]
        )
        self._room.boot = settings.boot
        where = ", ".join(f"http://{host}:{port}" for host, port in self._balancers.endpoints().values())
        self.say(f"{fleet.instances} instances in service behind {where}")
        group = {"group": NAME} if fleet.group else {}
        group |= {"other_side": OTHER_SIDE} if fleet.split else {}
        group |= {"other_port": OTHER_PORT} if fleet.traffic is TrafficPort.BOTH else {}
        told = {"address": where, "balancer": fleet.balancer.value, "release": fleet.release, **group}
        self._tell(fleet=told)


class _Nobody:
    """The instance directory before EC2 is there."""

    def get(self, instance_id: str) -> None:
        """Nobody is known yet."""

    def all(self) -> Sequence[Any]:
        """Nobody."""
        return ()

    def subscribe(self, listener: Callable[[Any], None]) -> None:
        """Nothing will happen."""


def _on_signal(number: int, _frame: FrameType | None) -> None:
    raise Stopped(signal.Signals(number).name)


def main() -> int:
    """`python -m deployer.lab.server FOLDER`: runs until SIGTERM."""
    home = LabHome(Path(sys.argv[1]))
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("deployer.lab").setLevel(os.environ.get("DEPLOYER_LAB_LOG", "INFO"))
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _on_signal)
    lab = Lab(home, Order.load(home.order))
    code = 0
    try:
        lab.start()
        threading.Event().wait()
    except Stopped as stopped:
        _log.info("stopping on %s", stopped)
    except DeployerError as refusal:
        lab.fail(str(refusal))
        code = 1
    except Exception as trouble:  # noqa: BLE001 - the user gets one sentence, the log the rest
        _log.exception("the lab did not come up")
        lab.fail(f"{type(trouble).__name__}: {trouble}")
        code = 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    lab.stop()
    return code


if __name__ == "__main__":
    ended = main()
    logging.shutdown()
    # Threads that still wait for something (a request, a timer) would hold an ordinary exit up.
    os._exit(ended)
