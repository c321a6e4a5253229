"""The kit: it asks a real AWS account what no documentation and no recording shows."""
