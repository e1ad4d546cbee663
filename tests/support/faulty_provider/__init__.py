"""A provider that fails as the name of its model says: a key of `FAULTS`, `status-N`, or several names in turn."""
