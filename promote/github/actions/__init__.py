"""The GitHub Actions runner: context, log, state and summary of the job."""
