"""Every name that spans and metrics use: OpenTelemetry's GenAI conventions, OpenInference's, and our own.

Sources: the GenAI semantic conventions of OpenTelemetry 1.38 and the OpenInference specification.
"""

from __future__ import annotations

from typing import Final

# Span names begin with the operation: "chat gpt-4.1-mini".
INVOKE_WORKFLOW: Final = "invoke_workflow"
INVOKE_AGENT: Final = "invoke_agent"
PLAN: Final = "plan"
CHAT: Final = "chat"
EXECUTE_TOOL: Final = "execute_tool"
STEP: Final = "step"
ATTEMPT: Final = "attempt"
NODE: Final = "node"
RETRIEVAL: Final = "retrieval"

OPERATION: Final = "gen_ai.operation.name"
WORKFLOW: Final = "gen_ai.workflow.name"
AGENT: Final = "gen_ai.agent.name"
TOOL: Final = "gen_ai.tool.name"
PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_ID: Final = "gen_ai.response.id"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
OUTPUT_TYPE: Final = "gen_ai.output.type"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_DESCRIPTION: Final = "gen_ai.tool.description"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_RESULT: Final = "gen_ai.tool.call.result"
ERROR_TYPE: Final = "error.type"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"

EVALUATION_EVENT: Final = "gen_ai.evaluation.result"
EVALUATION_NAME: Final = "gen_ai.evaluation.name"
EVALUATION_SCORE: Final = "gen_ai.evaluation.score.value"
EVALUATION_LABEL: Final = "gen_ai.evaluation.score.label"
EVALUATION_EXPLANATION: Final = "gen_ai.evaluation.explanation"

# OpenInference: other viewers draw our true edges from these.
KIND: Final = "openinference.span.kind"
NODE_ID: Final = "graph.node.id"
NODE_NAME: Final = "graph.node.name"
NODE_PARENT: Final = "graph.node.parent_id"

# Ours.
TENANT: Final = "orchestrator.tenant"
RUN_ID: Final = "orchestrator.run.id"
RUN_STATUS: Final = "orchestrator.run.status"
WORKFLOW_VERSION: Final = "orchestrator.workflow.version"
COST: Final = "orchestrator.cost_usd"
TIER: Final = "orchestrator.model.tier"
STEP_ID: Final = "orchestrator.step.id"
STEP_STATUS: Final = "orchestrator.step.status"
STEP_ITEMS: Final = "orchestrator.step.items"
STEP_NEEDS: Final = "orchestrator.step.needs"
STEP_ATTEMPTS: Final = "orchestrator.step.attempts"
ATTEMPT_ID: Final = "orchestrator.attempt.id"
ATTEMPT_NUMBER: Final = "orchestrator.attempt.number"
ATTEMPT_ITEM: Final = "orchestrator.attempt.item"
ATTEMPT_PURPOSE: Final = "orchestrator.attempt.purpose"
ATTEMPT_OUTCOME: Final = "orchestrator.attempt.outcome"
QUEUE_DEPTH: Final = "orchestrator.queue.depth"
QUEUE_WAIT: Final = "orchestrator.queue.wait"
WORKER: Final = "orchestrator.worker"
POOL: Final = "orchestrator.pool"
VALIDATOR: Final = "orchestrator.validator"
MODEL_CALLS: Final = "orchestrator.model.calls"

SCOPE_ATTRIBUTES: Final = frozenset({TENANT, RUN_ID, ATTEMPT_ID})
"""What has a column of its own in `spans`, and is an attribute only in what is exported."""
