"""The LangGraph graph that drives a run, and the process that hosts many."""

from orchestrator.supervisor.process import Supervisor

__all__ = ["Supervisor"]
