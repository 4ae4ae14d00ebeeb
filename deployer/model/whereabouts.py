"""Where a fleet is: the account, the region, and the endpoint where AWS itself is not the one that answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Whereabouts:
    """The account and region that calls go to. `endpoint` is None where they go to AWS itself.

    `lab` is the lab that this shell belongs to, where the endpoint is on this machine.
    """

    account: str
    region: str
    endpoint: str | None = None
    lab: str | None = None

    @property
    def scope(self) -> str:
        """What a fleet's name belongs to. Two ways to one AWS are one scope, and all labs have one account."""
        return f"{self.account}-{self.region}" + (f"-lab-{self.lab}" if self.lab else "")

    def document(self) -> dict[str, object]:
        """For documents."""
        return {"account": self.account, "region": self.region, "endpoint": self.endpoint}

    def __str__(self) -> str:
        if self.lab:
            return f"lab {self.lab} ({self.endpoint}), {self.region}"
        return f"account {self.account}, {self.region}" + (f" by {self.endpoint}" if self.endpoint else "")
