"""The command line. `main` is what the `orchestrator` command calls; heavy rooms are imported by the commands."""

from __future__ import annotations

from orchestrator.cli.application import application, main

__all__ = ["application", "main"]
