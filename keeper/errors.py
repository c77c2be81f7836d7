"""keeper's errors. Each name says what the one who catches it does."""

from __future__ import annotations


class KeeperError(Exception):
    """Something a person can mend. The message names the place and the cure."""


class ConfigError(KeeperError):
    """Stop and show every problem: `problems` holds one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class StateError(KeeperError):
    """The state database cannot be used: foreign, torn, not writable, or held by another keeper. Refuse to start."""


class InUse(StateError):  # noqa: N818  # a state, as Rejected is an answer
    """Another keeper has it now: try again later, or say so."""


class SourceError(KeeperError):
    """The source lost its subject: say so, open it again later."""


class SendError(KeeperError):
    """The receiver did not take it, but may later: try again. `retry_after` is what it asked for, in seconds."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Rejected(KeeperError):  # noqa: N818  # it is an answer, and reads as one where it is caught
    """The receiver refused it and always will: do not try again."""
