"""A network of real clients of all kinds in namespaces of its own: bad weather, NATs, churn, and witnesses."""
