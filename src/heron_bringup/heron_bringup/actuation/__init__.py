"""Control judged from outside: raw frames by their bytes alone, fuzzed plans and commands, ticks under load."""
