"""What operators see of the gateway from outside: metrics, logs, traces."""
