"""Ray is imported only to connect, and what keeps it from connecting is said with its remedy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.errors import InputError, ServiceError
from orchestrator.placement.on_ray import RayCluster
from orchestrator.settings import RaySettings


def test_nothing_imports_ray_before_it_is_used() -> None:
    code = (
        "import sys, orchestrator.cli.application, orchestrator.placement.on_ray; "
        "import orchestrator.cli.commands.worker_on_ray; sys.exit('ray' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_without_the_extra_its_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ServiceError, match="Ray cannot be imported") as error:
        await RayCluster.connect(RaySettings(), Path())
    assert "pip install 'graph-orchestrator[ray]'" in error.value.remedy


@pytest.mark.parametrize("address", ["ray://head:10001", "head", "head:port"])
async def test_an_address_that_cannot_be_used_is_refused(address: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(InputError, match=r"is not HOST:PORT"):
        await RayCluster.connect(RaySettings(address=address), Path())


async def test_where_nothing_listens_it_is_said_at_once(unused_tcp_port: int) -> None:
    pytest.importorskip("ray")
    with pytest.raises(ServiceError, match=f"no Ray cluster answers at 127.0.0.2:{unused_tcp_port}"):
        await RayCluster.connect(RaySettings(address=f"127.0.0.2:{unused_tcp_port}"), Path())
