"""What the DynamoDB table holds: the lock, its queue, and the ledger of releases."""
