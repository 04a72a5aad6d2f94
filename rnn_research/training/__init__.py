"""From config to finished records: programs, state, loop, checkpoints."""
