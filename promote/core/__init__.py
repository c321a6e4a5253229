"""Values and decisions, without side effects."""
