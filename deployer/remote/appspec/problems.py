"""What is wrong with an AppSpec: problems with their line, what was expected, and the cure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Severity(Enum):
    """Whether a problem stops a deployment."""

    ERROR = "error"
    WARNING = "warning"
    """A documented rule that the CodeDeploy agent lets pass; an error when the check is strict."""


@dataclass(frozen=True)
class Problem:
    """One finding. `line` counts from 1; `cure` says what to write instead."""

    line: int
    text: str
    cure: str
    severity: Severity = Severity.ERROR

    def describe(self, name: str) -> str:
        """One line as compilers write them: `file:line: error: what; cure`."""
        return f"{name}:{self.line}: {self.severity.value}: {self.text}; {self.cure}"

    def stops(self, *, strict: bool) -> bool:
        """Whether it stops a deployment; when the check is strict, warnings do too."""
        return strict or self.severity is Severity.ERROR


class Refusal(Exception):
    """Ends the reading of one value; the reader records it and goes on with the next."""

    def __init__(self, line: int, text: str, cure: str) -> None:
        self.problem = Problem(line, text, cure)
        super().__init__(text)


@dataclass
class Findings:
    """Collects problems while a file is read, so that one check shows them all."""

    problems: list[Problem] = field(default_factory=list)

    def error(self, line: int, text: str, cure: str) -> None:
        """Records something that stops the deployment."""
        self.problems.append(Problem(line, text, cure))

    def warn(self, line: int, text: str, cure: str) -> None:
        """Records something that the agent lets pass though the documents forbid it."""
        self.problems.append(Problem(line, text, cure, Severity.WARNING))

    def add(self, refusal: Refusal) -> None:
        """Records the refusal of one value."""
        self.problems.append(refusal.problem)
