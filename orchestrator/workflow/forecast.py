"""The dry run: what a workflow would do with some inputs, worked out without doing any of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestrator.domain.budget import Budget
from orchestrator.workflow.child_run import callee_of, child_budget
from orchestrator.workflow.figures import Facts
from orchestrator.workflow.forecast_totals import wave_numbers, whole_run
from orchestrator.workflow.forecast_values import Forecast, StepForecast
from orchestrator.workflow.graph import ordered
from orchestrator.workflow.model import StepSpec, Workflow
from orchestrator.workflow.preview import Preview
from orchestrator.workflow.step_forecast import Surroundings, child_inputs, forecast_step, skip_reason, skipped_step


def forecast(workflow: Workflow, inputs: Mapping[str, Any], facts: Facts) -> Forecast:
    """Work out what a run would do, and the child runs that it would start.

    Args:
        workflow: checked.
        inputs: as `Workflow.check_inputs` gives them; one that is left out is not known.
        facts: prices, timeouts, past runs.
    """
    return _Forecaster().run(workflow, inputs, facts, workflow.budget)


class _Forecaster:
    """Forecasts a run and those below it; what several steps would start alike is worked out once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, Budget | None], Forecast] = {}

    def run(self, workflow: Workflow, inputs: Mapping[str, Any], facts: Facts, budget: Budget | None) -> Forecast:
        preview = Preview(workflow, inputs, facts.tenant)
        facts = replace(facts, usd_limited=facts.usd_limited or (budget is not None and budget.usd is not None))

        def child(spec: StepSpec, preview: Preview) -> tuple[Forecast | None, str]:
            return self._child(workflow, spec, preview, facts)

        around = Surroundings(preview, facts, child)
        wave_of, steps = wave_numbers(workflow), workflow.all_steps
        skipped: dict[str, str] = {}
        found: dict[str, StepForecast] = {}
        for name in ordered({spec.id: spec.needs for spec in steps.values()}):
            spec, condition = steps[name], preview.condition(steps[name])
            skipped[name] = skip_reason(spec, condition, skipped)
            if skipped[name]:
                found[name] = skipped_step(spec, wave_of[name], skipped[name])
            else:
                found[name] = forecast_step(spec, wave_of[name], condition, around)
        return whole_run(workflow, inputs, {name: found[name] for name in steps}, budget)

    def _child(self, workflow: Workflow, spec: StepSpec, preview: Preview, facts: Facts) -> tuple[Forecast | None, str]:
        callee = callee_of(workflow, spec)
        if callee is None:
            return None, ""
        inputs, wrong = child_inputs(spec, callee, preview)
        budget = child_budget(spec, callee)
        key = (callee.sha256, json.dumps(inputs, sort_keys=True), budget)
        if key not in self._known:
            self._known[key] = self.run(callee, inputs, facts.of_callee(callee.name), budget)
        return self._known[key], wrong
