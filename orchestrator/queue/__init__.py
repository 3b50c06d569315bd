"""Dispatch through PgQueuer: run jobs, permits, and the notifications that wake processes."""

from orchestrator.queue.channels import (
    FINISHED_CHANNEL,
    FREED_CHANNEL,
    RUN_CHANNEL,
    RUN_ENTRYPOINT,
    pool_channel,
    pool_entrypoint,
    process_channel,
)
from orchestrator.queue.consumer import Consumer
from orchestrator.queue.installation import install
from orchestrator.queue.jobs import (
    Permit,
    enqueue_permits,
    enqueue_run_jobs,
    prune,
    read_run_job,
    waiting_permits,
)
from orchestrator.queue.listener import Listener
from orchestrator.queue.notify import Notifier, read_runs, wake
from orchestrator.queue.settings import QUEUE_SETTINGS

__all__ = [
    "FINISHED_CHANNEL",
    "FREED_CHANNEL",
    "QUEUE_SETTINGS",
    "RUN_CHANNEL",
    "RUN_ENTRYPOINT",
    "Consumer",
    "Listener",
    "Notifier",
    "Permit",
    "enqueue_permits",
    "enqueue_run_jobs",
    "install",
    "pool_channel",
    "pool_entrypoint",
    "process_channel",
    "prune",
    "read_run_job",
    "read_runs",
    "waiting_permits",
    "wake",
]
