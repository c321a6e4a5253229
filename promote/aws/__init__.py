"""AWS: clients, errors, one module per service, and the artifacts."""
