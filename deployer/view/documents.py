"""What `--output json` prints: exactly one JSON document on standard output."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TextIO

from deployer.engine.reports import (
    BakeReport,
    Diagnosis,
    Explanation,
    FleetStatus,
    KeptInstance,
    PastRollout,
    PlanReport,
)
from deployer.engine.result import NOWHERE
from deployer.model.observation import Observation, Seen
from deployer.secrets.masking import masked_values
from deployer.secrets.outlets import unmasked
from deployer.view.packed import packed_document
from deployer.view.phase import phase_of, release_of


def print_document(document: dict[str, object], stream: TextIO) -> None:
    """Writes one document, ASCII only, so that no terminal or pipe can read anything into it.

    Secrets are masked. A `##` is written as JSON's escape: Azure Pipelines obeys `##vso[…]` anywhere in a line.
    """
    text = json.dumps(masked_values(document), indent=2, ensure_ascii=True, allow_nan=False)
    beneath = unmasked(stream)
    beneath.write(text.replace("##", "#\\u0023") + "\n")
    beneath.flush()


def plan_document(report: PlanReport) -> dict[str, object]:
    """A plan: what would change, within which limits, and what it is pinned to."""
    plan = report.plan
    releases = dict(report.releases)
    return {
        "fleet": plan.fleet,
        **(report.where.document() if report.where is not None else NOWHERE),
        "strategy": plan.strategy,
        "method": plan.policy.method.value,
        "release": {"from": plan.previous.name, "to": plan.goal.name},
        "image": {"from": plan.previous.image, "to": report.image},
        "instance_type": {
            "from": sorted({slot.type for slot in plan.slots}),
            "to": plan.goal.instance_type,
        },
        "bundle": report.bundle,
        "packed": packed_document(report.files),
        "digest": plan.goal.digest or None,
        "fingerprint": plan.fingerprint(),
        "proof": report.proof.value,
        "limits": {
            "size": plan.limits.size,
            "window": plan.limits.window,
            "floor": plan.limits.floor,
            "surge": plan.limits.surge,
            "zone_floor": dict(plan.limits.zone_floor),
        },
        "in_service": report.in_service,
        "balancers": [{"name": b.name, "kind": b.kind.value, "id": b.id} for b in plan.balancers],
        "instances": [
            {
                "slot": slot.name,
                "zone": slot.zone,
                "id": slot.instance,
                "type": slot.type,
                "release": releases.get(slot.instance),
                "changes": slot.instance in report.changes,
            }
            for slot in plan.slots
        ],
        "hooks": [label for label, _ in plan.hooks],
        "steps": list(report.steps),
        "seconds": {"lower_bound": None if (least := report.seconds_lower_bound) is None else round(least, 2)},
        "warnings": list(report.warnings),
    }


def status_document(status: FleetStatus) -> dict[str, object]:
    """A fleet as it is now."""
    seen = status.seen
    return {
        "fleet": status.fleet,
        **(status.where.document() if status.where is not None else NOWHERE),
        "in_service": status.in_service,
        "held": status.held,
        "last": status.last,
        "balancers": [{"name": b.name, "kind": b.kind.value, "id": b.id} for b in seen.balancers],
        "instances": [_instance(seen, slot.name, one) for slot in seen.slots for one in slot.occupants],
        "kept": [_kept(one) for one in status.kept],
        "warnings": list(status.warnings),
    }


def _instance(seen: Observation, slot: str, one: Seen) -> dict[str, object]:
    return {
        "slot": slot,
        "id": one.id,
        "zone": one.instance.zone,
        "state": one.instance.state.value,
        "image": one.instance.image,
        "release": release_of(seen, one),
        "phase": phase_of(seen, one).word,
        "targets": {
            seen.balancer(ident).name: {"state": t.state.value, "reason": t.reason or None}
            for ident, t in one.targets.items()
        },
    }


def bake_document(baked: BakeReport) -> dict[str, object]:
    """An image and what it was made from."""
    return {
        "image": baked.image,
        "name": baked.name,
        "release": baked.release,
        "digest": baked.digest,
        "source_image": baked.source_image,
        "snapshots": list(baked.snapshots),
        "reused": baked.reused,
        "seconds": round(baked.seconds, 2),
    }


def history_document(fleet: str, past: Sequence[PastRollout]) -> dict[str, object]:
    """A fleet's latest rollouts."""
    return {"fleet": fleet, "rollouts": [asdict(one) for one in past]}


def explanation_document(explanation: Explanation) -> dict[str, object]:
    """What holds an instance or slot."""
    return {"subject": explanation.subject, "lines": list(explanation.lines)}


def diagnosis_document(diagnosis: Diagnosis) -> dict[str, object]:
    """What `doctor` found."""
    return {
        "fleet": diagnosis.fleet,
        "healthy": diagnosis.healthy,
        "problems": list(diagnosis.problems),
        "leftovers": [asdict(one) for one in diagnosis.leftovers],
        "remarks": list(diagnosis.remarks),
        "kept": [_kept(one) for one in diagnosis.kept],
    }


def _kept(one: KeptInstance) -> dict[str, object]:
    return {**asdict(one), "carries": list(one.carries), "seconds": round(one.seconds)}
