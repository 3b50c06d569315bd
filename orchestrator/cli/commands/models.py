"""`orchestrator models`: which model each tier is and why, and to fetch the local one."""

from __future__ import annotations

import typer

group = typer.Typer(help="List the model of every tier, or fetch the local one.", no_args_is_help=True)
