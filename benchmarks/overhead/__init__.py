"""What the overhead benchmark is made of: a fast provider, a load generator, the targets, and the rounds."""
