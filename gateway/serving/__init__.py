"""Running the gateway: server, workers, bootstrap, doctor."""
