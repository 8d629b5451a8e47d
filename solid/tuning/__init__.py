"""A search of settings on validation, with the same number of trials for every head that is compared."""
