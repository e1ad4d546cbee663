"""Management of routers, keys, scorecards and models: one call each, for the HTTP API and the command line alike."""
