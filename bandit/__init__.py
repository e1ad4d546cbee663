"""The statistics of the router: pure functions of numbers, without clock, randomness or I/O."""
