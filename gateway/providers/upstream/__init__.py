"""One call to one provider: keys, time limits, server-sent events, and what a failure means."""
