"""Every setting of the chain: the schema, and how a file and overrides become settings."""
