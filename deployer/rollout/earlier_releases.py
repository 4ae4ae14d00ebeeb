"""Which release a fleet is brought back to: by the journals, else by the images that were baked for it."""

from __future__ import annotations

from collections.abc import Sequence

from deployer.aws.images import AwsImages
from deployer.engine.replay import pinned_plan
from deployer.engine.result import Status
from deployer.model.errors import PreflightRefused
from deployer.model.fleet import Release
from deployer.model.policy import Method
from deployer.rollout import planner
from deployer.rollout.preparation import Ground
from deployer.state.store import StateStore


def target_of(ground: Ground, store: StateStore, to: str | None) -> Release:
    """The release to go back to, with its image where the method needs one.

    Without `to` it is the one before the rollout that is open, if one is, else the one before what most serve.
    """
    settings = ground.wiring.settings
    known = _known_releases(store, settings.name)
    running = planner.previous_release(ground.found.instances, ground.ask(), Release(""))
    in_place = settings.rollout.method is Method.IN_PLACE
    now = running.name, None if in_place else planner.type_of(planner.members(ground.found.instances))
    found = next((one for one in known if (one.name == to if to is not None else _differs(one, *now))), None)
    if to is None:
        found = _before_the_open_one(store, settings.name) or found
    name = to or (found.name if found is not None else None)
    if name is None:
        raise PreflightRefused(
            f"nothing tells which release of fleet {settings.name} came before {running.name}; name it with --to"
        )
    if in_place:
        bundle = ground.wiring.bundle(name)
        return Release(name, bundle.package.digest if bundle is not None else found.digest if found else "")
    if found is not None and found.image is not None:
        return found
    return _from_images(ground, name)


def _before_the_open_one(store: StateStore, fleet: str) -> Release | None:
    last = store.last_rollout(fleet)
    if last is None or last.finished or last.plan is None:
        return None
    plan = pinned_plan([last.plan])
    return plan.previous if plan is not None else None


def _differs(release: Release, name: str, kind: str | None) -> bool:
    """Whether a release is another than the one called `name`, or is to run on another type than `kind`."""
    return release.name != name or (kind is not None and release.instance_type not in (None, kind))


def _from_images(ground: Ground, name: str) -> Release:
    images = AwsImages(ground.wiring.session).images(ground.wiring.settings.name)
    fitting = [image for image in images if image.tags.get("deployer:release") == name]
    if not fitting:
        raise PreflightRefused(
            f"there is no image of release {name} for fleet {ground.wiring.settings.name}; roll it out with "
            f"`deployer rollout --release {name}`, which bakes one"
        )
    newest = max(fitting, key=lambda image: image.created)
    return Release(name, newest.tags.get("deployer:digest", ""), newest.id)


def _known_releases(store: StateStore, fleet: str) -> Sequence[Release]:
    """The releases that the journal knows to have been in service, the latest first."""
    known: list[Release] = []
    for entry in store.rollouts(fleet, 20):
        plan = pinned_plan(store.read_rollout(fleet, entry.rollout))
        if plan is None or entry.end is None:
            continue
        reached = entry.end.data.get("status") == Status.SUCCEEDED.value
        known += [plan.goal, plan.previous] if reached else [plan.previous]
    return known
