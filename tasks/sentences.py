"""Failures in the log of a run: our errors as the sentence they are, without the stack of calls that led to them.

What is not ours keeps its stack: that is where a bug shows.
"""

import logging

from mem_core.common.errors import MemshieldError

_RUN_LOGGERS = ("prefect.flow_runs", "prefect.task_runs")  # all engines of Prefect log through these two


class _WithoutStack(logging.Filter):
    """Takes the stack from records about a MemshieldError."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, MemshieldError):
            record.msg, record.args = f"{type(error).__name__}: {error}", ()
            record.exc_info = record.exc_text = None
        return True


def install() -> None:
    """For all runs of this process; once is enough, more do no harm."""
    for name in _RUN_LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(known, _WithoutStack) for known in logger.filters):
            logger.addFilter(_WithoutStack())
