"""From a request's text to its task class."""
