"""What the Ray workers are given from here, and what they are refused for."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.placement.on_ray.capacity import Capacity, Node
from orchestrator.placement.on_ray.handover import check_reach, kept_back, passed_on
from orchestrator.settings import DatabaseSettings, ModelSettings, RaySettings, ScalingSettings, Settings

URL = "postgresql://somewhere/orchestrator"


def settings(*env: str, url: str | None = None) -> Settings:
    return Settings(
        root=Path(),
        database=DatabaseSettings(url=url),
        scaling=ScalingSettings(ray=RaySettings(env=env)),
        models={"small": ModelSettings(model="m", api_key_env="MODEL_KEY")},
    )


def test_settings_and_named_variables_are_passed_on_and_nothing_else() -> None:
    here = {"ORCHESTRATOR_WORKER_LEASE": "3", "SEARCH_KEY": "s", "HOME": "/root", "AWS_SECRET": "a"}
    given = passed_on(settings("SEARCH_KEY"), here, URL)
    assert given == {"ORCHESTRATOR_WORKER_LEASE": "3", "SEARCH_KEY": "s", "ORCHESTRATOR_DATABASE_URL": URL}


def test_a_named_variable_that_is_not_set_is_refused() -> None:
    with pytest.raises(InputError, match="SEARCH_KEY: to be passed to the Ray workers, but not set here"):
        passed_on(settings("SEARCH_KEY"), {}, URL)


def test_the_models_keys_that_stay_here_are_named() -> None:
    here = {"MODEL_KEY": "k", "OPENAI_BASE_URL": "u"}
    assert kept_back(settings(), here) == ["MODEL_KEY", "OPENAI_BASE_URL"]
    assert kept_back(settings("MODEL_KEY"), here) == ["OPENAI_BASE_URL"]
    assert kept_back(settings(), {}) == []


def test_the_embedded_database_serves_one_machine() -> None:
    alone = Capacity([Node(socket.gethostname(), {})], {})
    more = Capacity([Node(socket.gethostname(), {}), Node("gpu-7", {})], {})
    check_reach(settings(), alone)
    check_reach(settings(url=URL), more)
    with pytest.raises(
        InputError, match="a socket of this machine, and the Ray cluster has others \\(gpu-7\\)"
    ) as error:
        check_reach(settings(), more)
    assert "ORCHESTRATOR_DATABASE_URL" in error.value.remedy
