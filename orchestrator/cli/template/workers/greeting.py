"""A worker that writes a greeting, and a validator that judges it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from orchestrator import Context, Verdict, validator, worker

OPENINGS = {"plain": "Hello", "warm": "How good to see you"}


class GreetingIn(BaseModel):
    """Whom to greet, and how."""

    name: str
    tone: Literal["plain", "warm"] = "plain"


class GreetingOut(BaseModel):
    """The greeting."""

    text: str


@worker("greeting.write", pool="greetings")
async def write(input: GreetingIn, ctx: Context) -> GreetingOut:
    """Write a greeting for one person."""
    ctx.log.info("greeting", name=input.name)
    return GreetingOut(text=f"{OPENINGS[input.tone]}, {input.name}!")


@validator("greeting.polite")
def polite(output: GreetingOut, ctx: Context) -> Verdict:
    """A greeting names the person and does not shout."""
    name = ctx.input["name"]
    if name not in output.text:
        return Verdict(passed=False, message=f"the greeting does not name {name}")
    return Verdict(passed=not output.text.isupper(), message="the greeting shouts")
