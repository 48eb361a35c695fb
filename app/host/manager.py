"""supervisord, except that a full disk does not end it.

A line that it can't write to a log is told on its standard error, which is a file on the same disk. The second failure
would close the pipe that the program writes to, then end the manager, and so everything that runs.
"""

from supervisor import loggers, supervisord


def _leave_out(_handler: loggers.Handler) -> None:
    """Go on without the line."""


if __name__ == "__main__":
    loggers.Handler.handleError = _leave_out
    supervisord.main()
