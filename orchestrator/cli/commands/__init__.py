"""The commands, one file for each: what they take, and what they print. The work is done in the rooms below."""
