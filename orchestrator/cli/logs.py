"""Logging of the command line: ours to stderr at a chosen level, other people's only when something is wrong."""

from __future__ import annotations

import logging

from orchestrator.errors import InputError

LEVELS = ("debug", "info", "warning", "error")
_NOISY = (
    "asyncio",
    "httpcore",
    "httpx",
    "langchain",
    "langgraph",
    "openai",
    "opentelemetry",
    "pgqueuer",
    "urllib3",
)


class ConsoleHandler(logging.Handler):
    """Writes records through the console on stderr, so that a live table above them stays whole."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record as one line (and its traceback below)."""
        from orchestrator.cli.consoles import stderr_console

        try:
            stderr_console().print(self.format(record), markup=False, highlight=False, soft_wrap=True)
        except Exception:  # noqa: BLE001 - logging must never raise; logging's own way out
            self.handleError(record)


def configure_logging(level: str) -> None:
    """Log `orchestrator` at `level` and everything else at error; calling it again only changes the level.

    Raises:
        InputError: the level has another name than debug, info, warning or error.
    """
    if level.lower() not in LEVELS:
        raise InputError(f"there is no log level {level!r}", remedy=f"use one of {', '.join(LEVELS)}")
    root = logging.getLogger()
    if not any(isinstance(handler, ConsoleHandler) for handler in root.handlers):
        handler = ConsoleHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S"))
        root.addHandler(handler)
    ours = level.upper()
    root.setLevel("WARNING" if ours == "DEBUG" else "ERROR")
    for name in _NOISY:
        logging.getLogger(name).setLevel("WARNING" if ours == "DEBUG" else "ERROR")
    logging.getLogger("orchestrator").setLevel(ours)
