"""Values and decisions, without effects."""
