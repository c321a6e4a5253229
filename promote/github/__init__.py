"""The git history, the runner of GitHub Actions, and GitHub's REST API."""
