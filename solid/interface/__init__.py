"""The Python interface for notebooks: the steps of the chain on frames."""
