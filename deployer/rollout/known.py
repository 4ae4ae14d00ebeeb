"""Which release each instance serves where its application does not say so: by marker, tags and image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from deployer.model.fleet import Instance, Release, Tag, is_same_bundle
from deployer.model.observation import Answer, Proof


def named(
    answers: Mapping[str, Answer], instances: Sequence[Instance], images: Mapping[str, Release]
) -> dict[str, Answer]:
    """The answers, each with the release that it is known by; those in which the application names one unchanged.

    `images` says which release the images that the fleet runs were made of.
    """
    by_id = {one.id: one for one in instances}
    return {ident: _named(answer, by_id[ident], images) for ident, answer in answers.items() if ident in by_id}


def _named(answer: Answer, instance: Instance, images: Mapping[str, Release]) -> Answer:
    if answer.proof.is_an_answer:
        return answer
    held = images.get(instance.image)
    if answer.proof is Proof.IMAGE:
        release = _of_image(instance, held)
        return replace(answer, release=release.name or None, digest=release.digest or None) if release else answer
    if answer.digest == "":
        return replace(answer, release=held.name if held is not None and held.name else None)
    return replace(answer, release=_with_digest(answer.digest, instance, images))


def _of_image(instance: Instance, held: Release | None) -> Release | None:
    """What its image holds, unless a release was installed on it since."""
    installed = instance.tags.get(Tag.IN_PLACE)
    return Release(installed, instance.tags.get(Tag.DIGEST, "")) if installed is not None else held


def _with_digest(digest: str | None, instance: Instance, images: Mapping[str, Release]) -> str | None:
    """The name of the release whose bundle has a digest, as far as tags tell; None when they do not."""
    if digest is None:
        return None
    if is_same_bundle(instance.tags.get(Tag.DIGEST, ""), digest):
        return instance.tags.get(Tag.RELEASE)
    return next((one.name for one in images.values() if is_same_bundle(one.digest, digest)), None)
