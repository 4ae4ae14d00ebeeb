"""Puts the adapters of one fleet together: AWS, hosts, bundles and state, from its settings."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from deployer import __version__
from deployer.aws.cloud import AwsCloud
from deployer.aws.discovery import find_fleet
from deployer.aws.found import FoundFleet
from deployer.aws.query import FleetQuery
from deployer.aws.session import AwsSession
from deployer.aws.session import AwsSettings as SessionSettings
from deployer.aws.state_clients import StateClients
from deployer.config.settings import FleetSettings, SshSettings
from deployer.engine.clock import RealClock, StopRequest
from deployer.engine.fence import Fence
from deployer.engine.plan import RolloutPlan
from deployer.model.fleet import Release
from deployer.model.hosts import Package
from deployer.model.observation import Answer, Proof
from deployer.model.policy import Method
from deployer.model.whereabouts import Whereabouts
from deployer.remote.bundle.bundle import Bundle, load_bundle
from deployer.remote.bundle.sources import ObjectStore, Place
from deployer.remote.console_keys import ConsoleKeys
from deployer.remote.door import SshDoor
from deployer.remote.errors import BundleError
from deployer.remote.footing import Become
from deployer.remote.hosts import SshHosts
from deployer.remote.install import Installer, InstallSettings
from deployer.remote.pinned_keys import Pinned
from deployer.remote.request_count import AccessLog, RequestSource, counter
from deployer.remote.ssh import Bastion, Endpoint
from deployer.remote.ssh import SshSettings as DoorSettings
from deployer.remote.user_config import by_config
from deployer.remote.work import Application
from deployer.rollout.traits import Traits, traits_of
from deployer.rollout.whereabouts import refuse_outside_of_lab, whereabouts
from deployer.secrets.known import know_file
from deployer.sources.reading import job_reader
from deployer.state.local import state_home
from deployer.state.location import InFolder, open_store, parse_location
from deployer.state.owner import Deed, revision_of, this_process
from deployer.state.store import StateStore


@dataclass
class Wiring:
    """Everything that one command needs for one fleet. Nothing is asked of AWS before it is used."""

    settings: FleetSettings
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    arguments: Sequence[str] = field(default_factory=lambda: tuple(sys.argv[1:]))
    """The command line that it is done by."""
    stop: StopRequest = field(default_factory=StopRequest)
    stamp: Callable[[Mapping[str, Answer]], Mapping[str, Answer]] = lambda answers: answers
    """Adds to answers what another backend knows of the release that was put on each instance."""

    def __post_init__(self) -> None:
        aws = self.settings.aws
        refuse_outside_of_lab(aws, self.environment)
        self.clock = RealClock(self.stop)
        self.fence = Fence()
        lasts = self.settings.state.lease
        session = SessionSettings(profile=aws.profile, region=aws.region, state_timeout=max(2.0, lasts / 4))
        self.session = AwsSession(session, fence=self.fence)
        self._bundles: dict[str, Bundle] = {}

    def find(self) -> FoundFleet:
        """The fleet, as AWS shows it now. Raises PreflightRefused and UsageError."""
        self.where  # noqa: B018 - in another account a fleet of this name would be another one
        find = self.settings.find
        in_place = self.settings.rollout.method is Method.IN_PLACE
        return find_fleet(
            self.session,
            FleetQuery(
                fleet=self.settings.name,
                tags=dict(find.tags or {}),
                instances=find.instances,
                asg=find.asg,
                balancers=self.settings.balancers,
                neighbours=self.settings.neighbours if in_place else (),
            ),
        )

    def cloud(self, found: FoundFleet) -> AwsCloud:
        """The fleet's cloud for the engine."""
        return AwsCloud(self.session, found)

    def door(self, console: Callable[[str], str]) -> SshDoor:
        """The way to hosts."""
        settings, config = _door_settings(self.settings.ssh), self.settings.ssh.config_file
        for key in settings.key_files:
            know_file(key)
        resolve = by_config(settings, config) if config is not None else None
        return SshDoor(settings, self.host_keys(console), resolve=resolve, fence=self.fence)

    def host_keys(self, console: Callable[[str], str]) -> Pinned:
        """The host keys of instances, from their consoles; kept on this machine from then on."""
        return Pinned(ConsoleKeys(console), state_home(self.environment, Path.home()).parent / "host-keys")

    def installer(self, door: SshDoor) -> Installer:
        """What installs releases on hosts."""
        ssh, deadline = self.settings.ssh, self.settings.rollout.deadlines.install
        become = Become.AUTO if ssh.become else Become.NO
        settings = InstallSettings(self.settings.name, root=ssh.root, become=become, deadline=deadline)
        return Installer(door, settings, fence=self.fence)

    def hosts(self, door: SshDoor) -> SshHosts:
        """The bounded pool of host work."""
        installer = self.installer(door)
        reader = job_reader(self.settings, door, installer, self.environment)
        return SshHosts(
            door,
            installer,
            self.application(),
            patience=lambda: min(30.0, self.stop.left),
            jobs=reader.jobs if reader is not None else None,
        )

    def application(self) -> Application:
        """What the fleet's hosts run."""
        settings, health = self.settings, self.settings.health.model()
        return Application(
            name=settings.name,
            fleet=settings.name,
            port=health.port,
            health_path=health.path,
            release_header=health.release_header,
            must_name=health.must_name,
            unnamed=self.unnamed,
            strategy=settings.rollout.strategy,
            batch=",".join(str(amount) for amount in settings.rollout.batch),
            ask_hosts=settings.ssh.ask_hosts,
            requests=_request_source(settings),
        )

    @cached_property
    def traits(self) -> Traits:
        """What the fleet's backend does by itself."""
        return traits_of(self.settings.rollout.backend, self.settings.folder)

    @property
    def unnamed(self) -> Proof:
        """How the release of an instance is known whose application names none."""
        if self.traits.proof is not None:
            return self.traits.proof
        return Proof.MARKER if self.settings.rollout.method is Method.IN_PLACE else Proof.IMAGE

    def as_planned(self, plan: RolloutPlan) -> None:
        """From here on the method is that of a plan which is gone on with, whatever the settings say now."""
        rollout = replace(self.settings.rollout, method=plan.policy.method)
        self.settings = replace(self.settings, rollout=rollout)

    def bundle(self, release: str) -> Bundle | None:
        """The bundle of a release, fetched, checked and pinned; None when the settings name none.

        Raises BundleError.
        """
        setting = self.settings.release.bundle
        if setting is None:
            return None
        if release not in self._bundles:
            store = cast(ObjectStore, self._objects())
            wanted = self.settings.release
            place = Place("", self.settings.folder, self._cache(), store, wanted.links, wanted.allow_secrets)
            self._bundles[release] = self._fit(load_bundle(setting, release, place))
        return self._bundles[release]

    def _fit(self, bundle: Bundle) -> Bundle:
        """The bundle itself. Raises BundleError for a Windows one that the native backend is to install."""
        if bundle.spec.os == "windows" and self.traits.installs:
            raise BundleError(
                f"{bundle.appspec} of release {bundle.release} says os: windows; deployer installs on Linux hosts "
                "alone, Windows hosts are deployed to with --backend codedeploy"
            )
        return bundle

    def package(self, release: Release) -> Package | None:
        """The package of a release, as hosts get it; None when the settings do not lead to that very release.

        A bundle setting without `{release}` names one release, the goal: it cannot stand for another one.
        """
        setting = self.settings.release.bundle or ""
        if "{release}" not in setting and release.name != self.settings.release.name:
            return None
        bundle = self.bundle(release.name)
        return bundle.package if bundle is not None else None

    def _objects(self) -> Any:
        from deployer.aws.objects import S3Objects

        return S3Objects(self.session)

    def _cache(self) -> Path:
        base = self.environment.get("XDG_CACHE_HOME")
        return (Path(base) if base else Path.home() / ".cache") / "deployer" / "bundles"

    def store(self) -> StateStore:
        """Where the journal and the lease are kept."""
        state = self.settings.state
        local = InFolder(state.path or state_home(self.environment, Path.home()))
        location = local if state.store == "file" else parse_location(state.store)
        return open_store(location, self.where.scope, StateClients(self.session), self.deed, state.keep)

    def deed(self) -> Deed:
        """What this process does to the fleet, for the record."""
        command = shlex.join(["deployer", *self.arguments])
        revision = revision_of(self.settings.folder, self.environment)
        return Deed(this_process(self.environment), command, __version__, revision)

    @cached_property
    def where(self) -> Whereabouts:
        """Account, region and endpoint, as AWS says. Raises PreflightRefused where the settings say otherwise."""
        return whereabouts(self.session, self.settings.aws, self.environment)


def _request_source(settings: FleetSettings) -> RequestSource | None:
    """Where the application tells how many requests it has answered; None where the settings say nothing."""
    told, health = settings.requests, settings.health
    if told.log is not None:
        return AccessLog(told.log, health.path)
    return counter(told.counter, told.port or health.port, told.path) if told.counter is not None else None


def _door_settings(ssh: SshSettings) -> DoorSettings:
    known = (ssh.known_hosts,) if ssh.known_hosts else (Path("~/.ssh/known_hosts").expanduser(),)
    return DoorSettings(
        user=ssh.user,
        port=ssh.port,
        key_files=(ssh.key_file,) if ssh.key_file else (),
        known_hosts=known,
        bastion=_bastion(ssh),
        connect=ssh.connect_timeout,
    )


def _bastion(ssh: SshSettings) -> Bastion | None:
    if ssh.bastion is None:
        return None
    user, _, place = ssh.bastion.rpartition("@")
    address, _, port = place.partition(":")
    return Bastion(Endpoint(address, int(port or 22)), user or ssh.user)
