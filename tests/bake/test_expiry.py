"""Which old images go, and that none goes that anything needs."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from deployer.bake.expiry import expendable, expire
from deployer.bake.ports import ImageState, SeenImage
from deployer.engine.events import Event, Noted
from tests.bake.world import World, an_order

images = st.lists(
    st.builds(
        SeenImage,
        id=st.integers(0, 99).map(lambda n: f"ami-{n}"),
        name=st.just("n"),
        state=st.sampled_from(ImageState),
        created=st.integers(0, 9).map(str),
    ),
    unique_by=lambda image: image.id,
    max_size=12,
)


@given(images=images, keep=st.integers(0, 6), needed=st.sets(st.integers(0, 99).map(lambda n: f"ami-{n}")))
def test_the_newest_the_needed_and_the_unfinished_never_go(
    images: list[SeenImage], keep: int, needed: set[str]
) -> None:
    gone = expendable(images, keep=keep, needed=needed)

    available = [image for image in images if image.state is ImageState.AVAILABLE]
    left = [image for image in available if image not in gone]
    assert not {image.id for image in gone} & needed
    assert all(image.state is not ImageState.PENDING for image in gone)
    assert len(left) >= min(keep, len(available))
    newest = sorted(available, key=lambda image: (image.created, image.id))[max(0, len(available) - keep) :]
    assert not {image.id for image in newest} & {image.id for image in gone}


def _baked(world: World, count: int) -> list[str]:
    order = an_order()
    ids = []
    for number in range(count):
        package = replace(order.package, release=str(number), digest=f"sha256:{number:064d}")
        world.host.serves = str(number)
        ids.append(world.bake(replace(order, package=package)).id)
    return ids


def test_old_images_go_with_their_snapshots_and_used_ones_stay() -> None:
    world, events = World(), list[Event]()
    ids = _baked(world, 4)
    world.cloud.used = frozenset({ids[0]})

    gone = expire(world.cloud, "web", keep=1, pinned={ids[1]}, watch=events.append)

    assert gone == (ids[2],)
    assert set(world.cloud.pictures) == {ids[0], ids[1], ids[3]}
    assert len(world.cloud.snapshots) == 3 * len(world.cloud.volumes)


def test_an_image_that_aws_will_not_give_up_keeps_its_snapshots_and_is_told() -> None:
    world, events = World(), list[Event]()
    ids = _baked(world, 2)
    world.cloud.faults["discard_image"] = ["UnauthorizedOperation"]

    assert expire(world.cloud, "web", keep=1, pinned=(), watch=events.append) == ()

    assert set(world.cloud.pictures) == set(ids)
    assert len(world.cloud.snapshots) == 2 * len(world.cloud.volumes)
    assert any(isinstance(event, Noted) and event.warning for event in events)
