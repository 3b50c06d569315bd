"""Chaos: real processes that are killed, frozen and cut off by a seeded plan, and the promises checked on the rows."""
