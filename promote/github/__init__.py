"""The git history, the GitHub Actions runner, and GitHub's REST API."""
