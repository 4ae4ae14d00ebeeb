"""The highest epoch that a fleet was changed under on this host: what comes under an older one is refused."""

from deployer.remote.agent.store import HostError, Store, locked, read_json, write_json


def refuse_older(store: Store, line: str, epoch: int) -> None:
    """Raises HostError for an epoch below the highest one seen; keeps a higher one.

    Epochs of different lines, those of two state stores say, cannot be compared. A sender without a line holds no
    lease and is no part of this.
    """
    if not line:
        return
    path = store.folder / "epochs.json"
    with locked(store.folder / "epochs.lock", "", wait=True):
        known = read_json(path) or {}
        newest = known.get(line, 0)
        if epoch < newest:
            raise HostError(
                f"fleet {store.fleet} has been changed on this host under epoch {newest}, so epoch {epoch} may "
                "change nothing here any more: somebody else has taken the rollout over"
            )
        if epoch > newest:
            write_json(path, {**known, line: epoch})
