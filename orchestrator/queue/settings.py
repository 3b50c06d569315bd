"""The names of PgQueuer's tables and types. They are fixed: nothing in the environment can change them."""

from __future__ import annotations

from typing import Final

from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource


class QueueSettings(DBSettings):
    """PgQueuer's settings without its environment source, where a bare `CHANNEL` or `TRIGGER` would leak in."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what the constructor is given counts."""
        return (init_settings,)


QUEUE_SETTINGS: Final = QueueSettings(
    prefix="",
    db_schema="orchestrator",
    channel=Channel("orchestrator_queue"),
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=Durability.balanced,
    widen_id=True,
)
"""Jobs are logged to the WAL; PgQueuer's log and statistics, which nothing of ours reads, are not (balanced)."""
