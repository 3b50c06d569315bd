"""Those that we are measured beside, each set up as its own documentation advises."""
