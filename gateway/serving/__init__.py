"""Running the gateway as a server: bootstrap, workers, banner, discovery of local model servers, doctor."""
