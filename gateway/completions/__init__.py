"""One completion request, in reading order: request, decision, attempts, handler, response, outcome."""
