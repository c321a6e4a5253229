"""The runner: the job's context, log, state and summary."""
