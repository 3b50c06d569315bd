"""The Ray cluster as we use it: connect, make an actor, look at the nodes. The only module that imports Ray."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

from orchestrator.errors import InputError, OrchestratorError, ServiceError
from orchestrator.placement.on_ray.capacity import Capacity, Node
from orchestrator.placement.on_ray.worker_actor import WorkerActor
from orchestrator.settings import RaySettings, Resources

Result = TypeVar("Result")

CONNECT_PATIENCE = 30.0
"""Seconds; usual are one or two."""

REACH_PATIENCE = 5.0
CALLS = 8
"""Methods of one actor at once: news is waited for while it is told to stop."""

EXCLUDED = (".orchestrator", ".git", ".venv", "venv", "node_modules", "__pycache__", ".env", "*.pyc")
"""What is never sent to the nodes, besides what the project's `.gitignore` names."""

REMEDY = "start one with `ray start --head`, or join this machine with `ray start --address HOST:PORT --num-cpus 0`"


class RayCluster:
    """A connection to a cluster that this machine is a node of.

    Ray allows one such connection in a process, and ends the process when the cluster is gone for a minute.
    """

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._class = ray.remote(WorkerActor)
        self._node = ray.get_runtime_context().get_node_id()
        self._error: type[Exception] = ray.exceptions.RayError
        self.unavailable: type[Exception] = ray.exceptions.ActorUnavailableError

    @classmethod
    async def connect(cls, settings: RaySettings, root: Path) -> Self:
        """Connect.

        Args:
            settings: where it is, and whether the project is sent to the nodes.
            root: the project's folder.

        Raises:
            InputError: the address is none that can be used.
            ServiceError: Ray is not installed, or no cluster answers.
        """
        ray = _import()
        address = settings.address
        if "://" in address:
            raise InputError(f"the Ray address {address} is not HOST:PORT", remedy=REMEDY)
        if address != "auto":
            await _reach(address)
        environment = {"working_dir": str(root), "excludes": list(EXCLUDED)} if settings.ship else None

        def init() -> None:
            warnings.simplefilter("ignore", FutureWarning)
            ray.init(address=address, runtime_env=environment, log_to_driver=False, logging_level=logging.ERROR)

        try:
            # Not in the main thread: there Ray takes SIGTERM for itself.
            await asyncio.wait_for(apart(init), CONNECT_PATIENCE)
        except TimeoutError:
            raise ServiceError(f"Ray does not answer ({address})", remedy=REMEDY) from None
        except (ConnectionError, RuntimeError, ValueError, AssertionError, ray.exceptions.RayError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ServiceError(f"Ray cannot be used ({address}): {reason}", remedy=REMEDY) from error
        return cls(ray)

    async def close(self) -> None:
        """Leave the cluster; the actors that are still there are killed."""
        await asyncio.wait({asyncio.ensure_future(apart(self._ray.shutdown))}, timeout=REACH_PATIENCE)

    async def new_actor(self, name: str, resources: Resources) -> Any:
        """Make an actor; Ray looks for a place, for as long as it takes."""
        options = self._class.options(
            num_cpus=resources.cpu,
            num_gpus=resources.gpu,
            memory=resources.memory,
            resources=resources.custom or None,
            scheduling_strategy="SPREAD",  # a node that dies takes few with it
            max_restarts=0,  # we make another one
            max_concurrency=CALLS,
        )
        return await apart(lambda: options.remote(name))

    def kill(self, actor: Any) -> None:
        """End an actor's process, or its search for a place."""
        with contextlib.suppress(self._error):  # it is gone
            self._ray.kill(actor, no_restart=True)

    async def capacity(self) -> Capacity:
        """What the cluster has now.

        Raises:
            ServiceError: this machine's node is gone: nothing can be started or reached from here any more.
        """
        return await apart(self._capacity)

    def _capacity(self) -> Capacity:
        alive = [each for each in self._ray.nodes() if each["Alive"]]
        if self._node not in {each["NodeID"] for each in alive}:
            raise ServiceError("this machine is no longer a node of the Ray cluster", remedy=REMEDY)
        nodes = [Node(each["NodeManagerHostname"], each["Resources"]) for each in alive]
        return Capacity(nodes, self._ray.available_resources())

    def cause(self, error: Exception) -> str:
        """Why a call to an actor failed, in one line."""
        cause = getattr(error, "cause", None) or error
        if isinstance(cause, OrchestratorError):
            return f"{cause.message} ({cause.remedy})" if cause.remedy else cause.message
        lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
        telling = [line for line in lines if not line.startswith(_UNTELLING)]
        return " ".join(telling)[:300] or type(cause).__name__


_UNTELLING = ("The actor died unexpectedly", "class_name:", "actor_id:", "pid:", "namespace:", "name:", "ip:", "[")
"""Lines of Ray's messages about actors that say nothing of the cause."""


def _import() -> Any:
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise ServiceError(
            f"Ray cannot be imported: {error}", remedy="install it: pip install 'graph-orchestrator[ray]'"
        ) from error
    return ray


async def _reach(address: str) -> None:
    """Ray itself would take a minute to give up, and end the process then."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        raise InputError(f"the Ray address {address} is not HOST:PORT", remedy=REMEDY)
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host.strip("[]"), int(port)), REACH_PATIENCE)
    except (OSError, TimeoutError) as error:
        raise ServiceError(f"no Ray cluster answers at {address}: {error or 'no answer'}", remedy=REMEDY) from error
    writer.close()


async def apart(call: Callable[[], Result]) -> Result:
    """Make a call that may never return, in a thread that nobody waits for when the process ends."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Result] = loop.create_future()

    def finish(result: Result | None, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is None:
            answer.set_result(result)  # type: ignore[arg-type]
        else:
            answer.set_exception(error)

    def work() -> None:
        result, failure = None, None
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - it is the caller's
            failure = error
        try:
            loop.call_soon_threadsafe(finish, result, failure)
        except RuntimeError:  # the loop is closed
            return

    threading.Thread(target=work, name="ray", daemon=True).start()
    return await answer
