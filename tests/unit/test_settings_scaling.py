"""How the settings of pools fold into one another."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from orchestrator.settings import RaySettings, Resources, ScalingSettings


def test_a_pools_own_keys_win_and_resources_stay_resources() -> None:
    scaling = ScalingSettings.model_validate(
        {
            "default": {"max": 9, "resources": {"cpu": 2}},
            "pools": {"gpu": {"resources": {"gpu": 0.5, "memory": "2GiB"}}},
        }
    )
    own = scaling.of("gpu")
    assert (own.max, own.resources) == (9, Resources(gpu=0.5, memory=2 * 2**30))
    assert scaling.of("other").resources == Resources(cpu=2)
    assert scaling.policy("gpu", 3).max == 9


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"cpu": -1}, "greater than or equal to 0"),
        ({"gpu": 1.5}, "gpu: 1.5 is neither a part of one GPU nor a whole number of them"),
        ({"memory": "much"}, "could not parse"),
        ({"custom": {"GPU": 1}}, "GPU is not a custom resource"),
        ({"custom": {"licence": 0}}, "greater than 0"),
        ({"gpus": 1}, "Extra inputs are not permitted"),
    ],
)
def test_resources_that_ray_would_refuse_are_refused_before(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Resources.model_validate(wrong)


def test_names_of_the_environment_stand_in_one_text_there() -> None:
    assert RaySettings.model_validate({"env": "A_KEY, B_KEY"}).env == ("A_KEY", "B_KEY")
