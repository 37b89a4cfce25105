"""How a task ends that has not succeeded. Anything else that it raises is tried again.

TaskError
├── Refused     trying again would not help: the job is dead at once
└── Again       to be tried again, and when
"""


class TaskError(Exception):
    """Base of what tasks raise on purpose; the message is kept as the job's error."""


class Refused(TaskError):
    """Trying again would not help."""


class Again(TaskError):
    """It may go better later.

    Args:
        seconds: how long to wait, where the other side said so; else as `retry` says.
    """

    def __init__(self, message: str, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds
