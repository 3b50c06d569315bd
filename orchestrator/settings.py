"""Frozen settings. This module never reads the environment; `orchestrator.project` does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ByteSize, ConfigDict, Field, field_validator, model_validator

from orchestrator.domain.scaling import ScalingPolicy


class Frozen(BaseModel):
    """Settings are read once, validated, and never changed; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DatabaseSettings(Frozen):
    """Where Postgres is. Without a `url` the embedded server under `.orchestrator/` is used."""

    url: str | None = None
    pool_size: int = Field(default=12, ge=2, le=200, description="connections of this process at the most")
    connect_timeout: float = Field(default=10.0, gt=0, description="seconds")


class SupervisorSettings(Frozen):
    """How a supervisor process holds runs. All times are seconds."""

    max_runs: int = Field(default=10_000, ge=1, description="resident runs of one process at the most")
    heartbeat: float = Field(default=1.0, gt=0)
    dead_after: float = Field(default=5.0, gt=0, description="a supervisor silent for so long is dead")
    worker_dead_after: float = Field(
        default=8.0,
        gt=0,
        description="a worker process silent for so long is dead: users' code may block it for a while",
    )
    sweep: float = Field(default=1.0, gt=0, description="between two looks for orphans, lost leases and inboxes")
    park_after: float = Field(
        default=30.0, ge=0, description="a run that waits for so long, for no worker, leaves the process's memory"
    )


class WorkerSettings(Frozen):
    """How a worker process holds attempts. All times are seconds."""

    concurrency: int = Field(default=8, ge=1, description="attempts at once in one process")
    lease: float = Field(default=15.0, gt=0, description="without renewal for so long an attempt is lost")
    grace: float = Field(default=20.0, ge=0, description="to finish what it holds after SIGTERM")
    max_output_bytes: int = Field(default=10_000_000, ge=1_000)


class Resources(Frozen):
    """What one process of a pool takes of a Ray node; Ray counts it, but does not enforce it."""

    cpu: float = Field(default=1.0, ge=0)
    gpu: float = Field(default=0.0, ge=0, description="a part of one, or whole ones")
    memory: ByteSize | None = Field(default=None, gt=0, description="bytes, or as 2GiB")
    custom: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict, description="as the nodes name them")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.gpu > 1 and self.gpu % 1:
            raise ValueError(f"gpu: {self.gpu:g} is neither a part of one GPU nor a whole number of them")
        if taken := {"CPU", "GPU", "memory", "object_store_memory"} & set(self.custom):
            raise ValueError(f"custom: {', '.join(sorted(taken))} is not a custom resource")
        return self


class PoolScaling(Frozen):
    """Between which bounds a pool's processes grow and shrink, and when. All times are seconds."""

    min: int = Field(default=0, ge=0, description="processes at the least; 0 lets an idle pool have none")
    max: int = Field(default=4, ge=1, description="processes at the most")
    target_wait: float | None = Field(default=2.0, gt=0, description="grow when an attempt has waited for longer")
    target_depth: float | None = Field(default=None, gt=0, description="grow when more are queued for each slot")
    cool_down: float = Field(default=30.0, ge=0, description="a process not needed for so long is taken away")
    concurrency: int | None = Field(default=None, ge=1, description="attempts at once in one process; worker's if none")
    resources: Resources = Resources()


class RaySettings(Frozen):
    """How `orchestrator worker --on ray` uses a Ray cluster."""

    address: str = Field(default="auto", description="`auto` for that of this machine's node, else HOST:PORT")
    ship: bool = Field(default=False, description="send the project's folder to the nodes; else it must lie on each")
    env: tuple[str, ...] = Field(default=(), description="environment names that workers get besides ORCHESTRATOR_…")

    @field_validator("env", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        """In the environment the names stand in one text, with commas."""
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


def _given(own: PoolScaling) -> dict[str, Any]:
    return {key: getattr(own, key) for key in own.model_fields_set}


class ScalingSettings(Frozen):
    """How pools scale where `orchestrator up` or another placement starts their processes.

    `default` holds for every pool; `pools` says what is different for one, key by key.
    """

    interval: float = Field(default=1.0, gt=0, description="seconds between two looks at the pools")
    default: PoolScaling = PoolScaling()
    pools: dict[str, PoolScaling] = Field(default_factory=dict)
    ray: RaySettings = RaySettings()

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in (None, *self.pools):
            found = self.default if name is None else self.of(name)
            where = "default" if name is None else f"pools.{name}"
            if found.min > found.max:
                raise ValueError(f"{where}: min is {found.min} and max is {found.max}")
            if found.target_wait is None and found.target_depth is None:
                raise ValueError(f"{where}: either target_wait or target_depth must be given")
        return self

    def of(self, pool: str) -> PoolScaling:
        """What holds for a pool: its own keys over those of `default`."""
        own = self.pools.get(pool)
        return self.default if own is None else self.default.model_copy(update=_given(own))

    def policy(self, pool: str, slots: int) -> ScalingPolicy:
        """A pool's policy, where one of its processes has so many slots."""
        chosen = self.of(pool).model_dump(exclude={"concurrency", "resources"})
        return ScalingPolicy(slots=slots, **chosen)


class TenantShare(Frozen):
    """What a tenant has of each pool, and how many of its attempts run at once."""

    weight: float = Field(default=1.0, ge=0.001, le=1_000, description="its share of the claims, beside the others'")
    max_running: int | None = Field(default=None, ge=1, description="attempts at once, in all pools on all machines")


class PoolLimits(Frozen):
    """What holds for a pool over all machines."""

    max_running: int | None = Field(default=None, ge=1, description="attempts at once")


class SharingSettings(Frozen):
    """Who is claimed next, and how many at once. Every worker process is to be told the same.

    `default` holds for every tenant; `tenants` says what is different for one, key by key.
    """

    default: TenantShare = TenantShare()
    tenants: dict[str, TenantShare] = Field(default_factory=dict)
    pools: dict[str, PoolLimits] = Field(default_factory=dict)

    def of(self, tenant: str) -> TenantShare:
        """What holds for a tenant: its own keys over those of `default`."""
        own = self.tenants.get(tenant)
        return self.default if own is None else self.default.model_copy(update=own.model_dump(exclude_unset=True))


class ModelSettings(Frozen):
    """One tier of `configs/models.yaml`: a name that workflows use, and the model behind it.

    `provider` is `local` for the model that this package starts itself, else `openai` for any server that
    speaks the OpenAI protocol. Prices are USD per million tokens; without them `genai-prices` is asked.
    """

    provider: Literal["openai", "local"] = "openai"
    model: str
    base_url: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    temperature: float | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    timeout: float = Field(default=60.0, gt=0, description="seconds for one call")
    input_price: float | None = Field(default=None, ge=0)
    output_price: float | None = Field(default=None, ge=0)
    extra: dict[str, Any] = Field(default_factory=dict, description="passed to ChatOpenAI as it is")
    reason: str = Field(default="", description="why this provider was chosen, for `orchestrator doctor`")


class TelemetrySettings(Frozen):
    """What is recorded, and where it is exported besides the database."""

    spans: bool = True
    capture_content: bool = True
    max_content_bytes: int = Field(default=64_000, ge=0)
    otlp_endpoint: str | None = None
    service_name: str = "orchestrator"


class Settings(Frozen):
    """Everything that a process of this project is told. `root` is the project's folder."""

    root: Path
    worker_modules: tuple[str, ...] = ()
    worker_packs: tuple[str, ...] = ()
    graphs: Path = Path("graphs")
    tenant: str = "default"
    database: DatabaseSettings = DatabaseSettings()
    supervisor: SupervisorSettings = SupervisorSettings()
    worker: WorkerSettings = WorkerSettings()
    scaling: ScalingSettings = ScalingSettings()
    sharing: SharingSettings = SharingSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    models: dict[str, ModelSettings] = Field(default_factory=dict)

    def concurrency(self, pool: str) -> int:
        """Attempts at once in one process of a pool that a placement starts."""
        return self.scaling.of(pool).concurrency or self.worker.concurrency

    @property
    def state_dir(self) -> Path:
        """`.orchestrator/`: the embedded database, the local model's registration, logs."""
        return self.root / ".orchestrator"
