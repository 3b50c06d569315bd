"""Pure data and pure state transitions: no I/O, no framework."""
