"""Workers are plain functions to a test: no server, no database."""

import asyncio

import pytest
from workers.greeting import GreetingIn, write


@pytest.mark.parametrize(("tone", "opening"), [("plain", "Hello"), ("warm", "How good to see you")])
def test_a_greeting_names_the_person(tone: str, opening: str) -> None:
    """Whatever the tone, the name stands in the text."""
    greeting = asyncio.run(write.test(GreetingIn(name="Ada", tone=tone)))
    assert greeting.text == f"{opening}, Ada!"
