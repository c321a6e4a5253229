"""The tag of what the action makes."""

TAG = "promote-on-success"
"""The tag of each HTTP API, with the function's ARN, and of the table. The IAM policy depends on that of the APIs."""

TABLE = "table"
"""The value of the tag of a table. A table without it was made by others, and is never deleted."""
