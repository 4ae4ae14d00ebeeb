"""The work on a builder's host: one piece at a time, beside the loop."""

from __future__ import annotations

from concurrent.futures import Future
from typing import assert_never

from deployer.bake.aside import Aside
from deployer.bake.decide import Progress
from deployer.bake.order import BakeOrder
from deployer.bake.ports import BuilderHost
from deployer.bake.steps import CheckRelease, CleanHost, InstallRelease, OnHost, ReachHost
from deployer.model.fleet import Instance
from deployer.model.hosts import Host
from deployer.model.observation import Answer, Proof
from deployer.model.outcome import Done, Outcome, Temporary


class HostWork:
    """What runs on the builder's host, and how far each builder has come in this run."""

    def __init__(self, host: BuilderHost, order: BakeOrder, aside: Aside) -> None:
        self._host = host
        self._order = order
        self._aside = aside
        self._running: tuple[OnHost, Future[Outcome[None]]] | None = None
        self.progress: dict[str, Progress] = {}

    @property
    def busy(self) -> bool:
        """Whether something was started whose end has not been taken in."""
        return self._running is not None

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._running is not None and self._running[1].done()

    @property
    def doing(self) -> str | None:
        """What is being done."""
        return gerund(self._running[0]) if self._running is not None else None

    def start(self, step: OnHost) -> None:
        """Begins a step; there is only one at a time."""
        self._running = step, self._aside.run(lambda: self._do(step))

    def finished(self) -> tuple[OnHost, Outcome[None]] | None:
        """The step that has ended since the last call, and how; its progress is noted."""
        if self._running is None or not self._running[1].done():
            return None
        (step, future), self._running = self._running, None
        outcome = future.result()
        if isinstance(outcome, Done):
            self.progress[step.builder.instance.id] = _REACHED_BY[type(step)]
        return step, outcome

    def evidence(self, instance: Instance) -> str:
        """What the host has to say of a failure; empty for one that never let us in."""
        return self._host.evidence(_host(instance)) if instance.id in self.progress else ""

    def _do(self, step: OnHost) -> Outcome[None]:
        host, order = _host(step.builder.instance), self._order
        match step:
            case ReachHost():
                refusal = self._host.refusal(host)
                return Temporary(f"{host.address} does not let us in yet: {refusal}") if refusal else Done(None)
            case InstallRelease():
                return self._host.install(host, order.package, order.deployment, order.release_from)
            case CheckRelease():
                wrong = self._wrong(self._host.check(host))
                return Temporary(wrong) if wrong else Done(None)
            case CleanHost():
                return self._host.clean(host)
            case _:
                assert_never(step)

    def _wrong(self, answer: Answer) -> str:
        """What is wrong with an answer of the application; empty when it serves the release."""
        release, package = answer.release, self._order.package
        if not answer.ok:
            return f"the application is not healthy: {answer.detail or 'no answer'}"
        if answer.proof is Proof.MARKER:
            same = answer.digest == package.digest
            return "" if same else f"the host's marker does not name release {package.release}: {answer.detail}"
        if release == package.release:
            return ""
        if release is None:
            return (
                f"the application answers without the release_header of [fleet.{self._order.fleet}] health, which "
                f'should name release {package.release}; set it to "" if the application names none'
            )
        return f"the application serves release {release}, not {package.release}"


_REACHED_BY = {
    ReachHost: Progress.REACHED,
    InstallRelease: Progress.INSTALLED,
    CheckRelease: Progress.CHECKED,
    CleanHost: Progress.CLEANED,
}


def gerund(step: OnHost) -> str:
    """What a step on the host is, while it goes on."""
    match step:
        case ReachHost():
            return "reaching the builder's host"
        case InstallRelease():
            return "installing the release"
        case CheckRelease():
            return "checking the release"
        case CleanHost():
            return "cleaning the builder"
        case _:
            assert_never(step)


def _host(instance: Instance) -> Host:
    return Host(instance.id, instance.address, instance.zone)
