"""Fuzzing of what takes other people's text: `make fuzz` for as long as it is told, a short form in the tests."""
