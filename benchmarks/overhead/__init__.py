"""The gateway's overhead: a fast provider, a load generator, the targets, and the rounds of measuring them."""
