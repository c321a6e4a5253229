"""Values and decisions, and the clock, threads and network rules that all folders use. No calls of AWS or GitHub."""
