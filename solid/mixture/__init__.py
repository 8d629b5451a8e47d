"""Several models as one: their distributions over all items, mixed by shares that validation picks.

What was counted remembers single users' steps, what was trained knows what items are like; the sum of both ranks better
than either, and the sum is picked after each is done: a gate that is trained along was no better.
"""
