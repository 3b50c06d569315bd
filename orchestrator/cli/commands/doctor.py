"""`orchestrator doctor`: is everything there that a run needs? One line each, with a remedy."""
