"""Finds the project root, reads its config and environment, and imports the user's workers."""

from orchestrator.project.code import load_registry
from orchestrator.project.configuration import load_settings
from orchestrator.project.graphs import graph_path
from orchestrator.project.location import Project, find_project

__all__ = ["Project", "find_project", "graph_path", "load_registry", "load_settings"]
