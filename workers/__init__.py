"""The reference project's specialists. They use nothing but the public API of `orchestrator`."""
