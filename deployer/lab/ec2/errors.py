"""The EC2 API's errors, with the codes and sentences that the EC2 API reference documents."""

from __future__ import annotations

import re
from collections.abc import Iterable

_ID = re.compile(r"[0-9a-f]{8}|[0-9a-f]{17}")


class ApiError(Exception):
    """An answer of the EC2 API that is an error: its code, its sentence and its HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def invalid_value(message: str) -> ApiError:
    """A parameter holds something the API does not know."""
    return ApiError("InvalidParameterValue", message)


def invalid_combination(message: str) -> ApiError:
    """Two parameters exclude each other."""
    return ApiError("InvalidParameterCombination", message)


def missing(parameter: str) -> ApiError:
    """A parameter the action cannot do without is absent."""
    return ApiError("MissingParameter", f"The request must contain the parameter {parameter}")


def incorrect_state(message: str) -> ApiError:
    """An instance is not in a state that the action accepts."""
    return ApiError("IncorrectInstanceState", message)


def instances_not_found(ids: Iterable[str]) -> ApiError:
    """The ids were never given out, are no longer shown, or are not shown yet."""
    names = sorted(ids)
    if len(names) == 1:
        return ApiError("InvalidInstanceID.NotFound", f"The instance ID '{names[0]}' does not exist")
    return ApiError("InvalidInstanceID.NotFound", f"The instance IDs '{', '.join(names)}' do not exist")


def image_not_found(image_id: str) -> ApiError:
    """No image of this id can be seen."""
    return ApiError("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")


def image_unavailable(image_id: str, state: str) -> ApiError:
    """The image exists or existed, and cannot be launched now."""
    return ApiError("InvalidAMIID.Unavailable", f"The image ID '{image_id}' is not available: its state is {state}")


def snapshot_not_found(snapshot_id: str) -> ApiError:
    """No snapshot of this id can be seen."""
    return ApiError("InvalidSnapshot.NotFound", f"The snapshot '{snapshot_id}' does not exist.")


def volume_not_found(volume_id: str) -> ApiError:
    """No volume of this id can be seen."""
    return ApiError("InvalidVolume.NotFound", f"The volume '{volume_id}' does not exist.")


_MALFORMED = {
    "i": ("InvalidInstanceID.Malformed", 'Invalid id: "{}"'),
    "ami": ("InvalidAMIID.Malformed", 'Invalid id: "{}" (expecting "ami-...")'),
    "snap": ("InvalidSnapshotID.Malformed", 'Invalid id: "{}" (expecting "snap-...")'),
    "vol": ("InvalidVolumeID.Malformed", 'Invalid id: "{}" (expecting "vol-...")'),
}


def require_well_formed(prefix: str, ids: Iterable[str]) -> None:
    """Raises the kind's `….Malformed` error for the first id that is not `prefix-` and 8 or 17 hex digits."""
    for given in ids:
        head, _, tail = given.partition("-")
        if head != prefix or not _ID.fullmatch(tail):
            code, sentence = _MALFORMED[prefix]
            raise ApiError(code, sentence.format(given))
