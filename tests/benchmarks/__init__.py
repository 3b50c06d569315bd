"""Benchmarks: each side by side with a peer in one run, as a ratio. `make bench` runs them all."""
