"""Off-policy evaluation: what another policy, objective or set of models would have done, in a process of its own."""
