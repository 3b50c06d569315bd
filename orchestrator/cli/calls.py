"""What an attempt did inside: its model calls, tools and retrievals, as nodes of the trace tree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from orchestrator.cli.node import Node
from orchestrator.domain.outcome import Usage
from orchestrator.domain.span import SpanRow
from orchestrator.telemetry import names


def call_nodes(spans: Sequence[SpanRow]) -> list[Node]:
    """The spans inside an attempt as nodes, nested as they were; the attempt's own span is left out.

    Args:
        spans: all spans of one attempt.
    """
    known = {span.span_id for span in spans}
    children: dict[str, list[SpanRow]] = defaultdict(list)
    tops: list[SpanRow] = []
    for span in sorted(spans, key=lambda row: row.started_at):
        if span.parent_id in known and span.parent_id is not None:
            children[span.parent_id].append(span)
        else:
            tops.append(span)
    shown: list[SpanRow] = []
    for top in tops:
        shown += children[top.span_id] if _is_attempt(top) else [top]
    return [_node(span, children) for span in shown]


def _is_attempt(span: SpanRow) -> bool:
    return span.name.split(" ", 1)[0] in {names.ATTEMPT, names.INVOKE_AGENT}


def _node(span: SpanRow, children: dict[str, list[SpanRow]]) -> Node:
    failed = span.status == "error"
    node = Node(
        span.name,
        "failed" if failed else "",
        span.started_at,
        span.ended_at,
        usage=_usage(span.attributes),
        children=[_node(child, children) for child in children[span.span_id]],
    )
    if failed and span.status_message:
        node.label += f": {span.status_message}"
    return node


def _usage(attributes: dict[str, Any]) -> Usage:
    return Usage(
        int(attributes.get(names.INPUT_TOKENS) or 0),
        int(attributes.get(names.OUTPUT_TOKENS) or 0),
        attributes.get(names.COST),
    )
