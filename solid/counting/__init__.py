"""Recommending by counting: what followed what, what was bought together, what is popular. Nothing is trained.

Every way to count here ends in one matrix. A user's last items, weighted by how long ago they were, pick rows of it;
their sum, as a distribution, is mixed with what is popular. What has settings gets them from validation, by a search
over small lists. NumPy and SciPy do the work; torch comes in only where a counted model is served like any other.
"""
