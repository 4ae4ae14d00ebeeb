"""Old images go: which ones, as a pure rule, and their going, snapshots and all (promise 7)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from deployer.bake.ports import ImageCloud, ImageState, SeenImage
from deployer.engine.events import Baking, Noted, Watch
from deployer.model.outcome import Done, Outcome, Permanent, Temporary, Unknown


def expendable(images: Sequence[SeenImage], *, keep: int, needed: Collection[str]) -> tuple[SeenImage, ...]:
    """The images that may go, the oldest first: all but the `keep` newest available ones and the `needed`.

    `needed` are image ids in use or pinned for a rollback. Images that are still being made stay; those that
    failed go.
    """
    available = sorted((i for i in images if i.state is ImageState.AVAILABLE), key=lambda i: (i.created, i.id))
    old = available[: max(0, len(available) - max(0, keep))]
    failed = [image for image in images if image.state is ImageState.FAILED]
    return tuple(image for image in [*old, *failed] if image.id not in needed)


def expire(cloud: ImageCloud, fleet: str, *, keep: int, pinned: Collection[str], watch: Watch) -> tuple[str, ...]:
    """Removes a fleet's old images with their snapshots; returns the ids of those that went.

    `pinned` images are kept whatever their age. What AWS refuses to remove is told and left. Raises AwsError
    when the images or their use cannot be read: then nothing is removed.
    """
    images = cloud.images(fleet)
    candidates = expendable(images, keep=keep, needed=pinned)
    if not candidates:
        return ()
    used = cloud.in_use([image.id for image in candidates])
    shared = {s for image in images if image not in candidates or image.id in used for s in image.snapshots}
    gone: list[str] = []
    for image in candidates:
        if image.id in used:
            continue
        watch(Baking("expiring", f"{image.id} ({image.name})"))
        if not _went(cloud.discard_image(image.id), watch):
            continue
        gone.append(image.id)
        for snapshot in image.snapshots:
            if snapshot not in shared:
                _went(cloud.discard_snapshot(snapshot), watch)
    return tuple(gone)


def _went(outcome: Outcome[None], watch: Watch) -> bool:
    match outcome:
        case Done():
            return True
        case Temporary(reason=reason) | Permanent(reason=reason) | Unknown(reason=reason):
            watch(Noted(reason, warning=True))
            return False
