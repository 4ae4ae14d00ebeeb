"""Images: what is baked, what is found, and what the way back needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from deployer.aws.images import AwsImages
from deployer.bake.bake import BakedImage, bake
from deployer.bake.expiry import expire
from deployer.bake.order import BakeDeadlines, BakeOrder
from deployer.bake.ports import BuilderHost
from deployer.engine.events import Noted, Watch
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Journal
from deployer.model.errors import AwsError, DeployerError, PreflightRefused
from deployer.model.fleet import Release, Tag
from deployer.model.hosts import Package
from deployer.model.policy import Method, OnFailure
from deployer.rollout import planner
from deployer.rollout.preparation import Ground

_NO_BUNDLE = "the settings lead to no bundle of it (name it with {release} in `bundle`)"


def needs_bake(plan: RolloutPlan) -> bool:
    """Whether the method needs an image and none was named."""
    return plan.policy.method is Method.RELAUNCH and plan.goal.image is None


def finished_image(ground: Ground, plan: RolloutPlan, package: Package | None) -> str | None:
    """The image that a rollout would use as it is; None when one is to be baked, or none is needed."""
    if not needs_bake(plan):
        return plan.goal.image
    images = AwsImages(ground.wiring.session)
    order = bake_order(ground, plan, package)
    found = images.survey(replace(order, root_image=images.root_of(order.base_image))).image
    return found.id if found is not None else None


def bake_release(
    ground: Ground,
    plan: RolloutPlan,
    package: Package | None,
    journal: Journal,
    watch: Watch,
    *,
    each_tick: Callable[[], None],
    stopping: Callable[[], bool] = lambda: False,
    builder: BuilderHost | None = None,
) -> BakedImage:
    """Makes the image of the goal, or finds it. Raises BakeFailed before anything of the fleet was touched.

    `each_tick` keeps the lease; `builder` stands for the ground's own where hooks run on it.
    """
    return bake(
        AwsImages(ground.wiring.session),
        builder or ground.builder,
        journal,
        ground.wiring.clock,
        bake_order(ground, plan, package),
        watch,
        each_tick=each_tick,
        stopping=stopping,
    )


def expire_images(ground: Ground, plan: RolloutPlan, watch: Watch) -> None:
    """Removes old images that nobody uses; what this rollout came from and went to stays (promise 7)."""
    if plan.policy.method is not Method.RELAUNCH:
        return
    pinned = {image for image in (plan.goal.image, plan.previous.image) if image is not None}
    keep = ground.wiring.settings.rollout.keep_images
    try:
        expire(AwsImages(ground.wiring.session), plan.fleet, keep=keep, pinned=pinned, watch=watch)
    except AwsError as error:
        watch(Noted(f"old images were left as they are: {error}", warning=True))


def bake_order(ground: Ground, plan: RolloutPlan, package: Package | None) -> BakeOrder:
    """What is to be baked: the goal's bundle, on the image that most of the fleet runs."""
    settings = ground.wiring.settings
    if package is None:
        raise PreflightRefused(
            f"fleet {plan.fleet} has neither a bundle nor an image for release {plan.goal.name}; set bundle or "
            f"image in [fleet.{plan.fleet}.release] of {settings.source}"
        )
    images = {one.id: one.image for one in ground.found.instances}
    model = next((slot for slot in plan.slots if images.get(slot.instance) == plan.previous.image), plan.slots[0])
    limits = settings.rollout.deadlines
    return BakeOrder(
        fleet=plan.fleet,
        package=package,
        base_image=plan.previous.image or "",
        model=model.instance,
        zone=model.zone,
        subnet=model.subnet,
        instance_type=model.type,
        release_from=plan.previous.name,
        rollout=plan.rollout,
        keep_builder=settings.rollout.keep_failed,
        deadlines=BakeDeadlines(launch=limits.launch, boot=limits.boot, install=limits.install),
    )


def has_way_back(ground: Ground, plan: RolloutPlan) -> bool:
    """Whether what a rollback needs is there now."""
    return _missing_for_way_back(ground, plan) is None


def refuse_no_way_back(ground: Ground, plan: RolloutPlan) -> None:
    """Promise 10: what a rollback needs is there, and pinned, before the first change (fault 33)."""
    if plan.policy.on_failure is OnFailure.STOP:
        return
    missing = _missing_for_way_back(ground, plan)
    if missing is not None:
        raise PreflightRefused(_no_way_back(plan, *missing))


def _missing_for_way_back(ground: Ground, plan: RolloutPlan) -> tuple[Release, str] | None:
    """What is missing of what the slots go back to, each to its own; those on the goal already have nowhere to."""
    own = {one.before for one in plan.slots if one.before is not None and one.before.name != plan.goal.name}
    releases = (plan.previous, *sorted(own, key=str))
    return next(((one, why) for one in releases if (why := _missing_of(ground, plan, one)) is not None), None)


def _missing_of(ground: Ground, plan: RolloutPlan, release: Release) -> str | None:
    if plan.policy.method is Method.IN_PLACE:
        try:
            return _NO_BUNDLE if ground.wiring.package(release) is None else None
        except DeployerError as error:
            return str(error)
    image = AwsImages(ground.wiring.session).launchable(release.image or "")
    if image is None:
        return f"its image {release.image} cannot be launched any more"
    return planner.not_in_image(ground.found.instances, release, image.tags.get(Tag.RELEASE))


def _no_way_back(plan: RolloutPlan, release: Release, why: str) -> str:
    return (
        f"there is no way back to release {release.name} of fleet {plan.fleet} by method "
        f"{plan.policy.method.value}: {why}; mend that, use the other method, or say --on-failure stop to roll out "
        "without one"
    )
