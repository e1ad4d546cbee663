"""What holds for all tests: properties draw their examples from a fixed seed, and a loaded machine fails none."""

from hypothesis import HealthCheck, settings

settings.register_profile("house", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
