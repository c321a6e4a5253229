"""AWS: clients, errors, and one module for each service or artifact."""
