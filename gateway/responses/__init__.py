"""OpenAI's Responses API, stateless, over the same flow as chat completions: requests in, answers and events out."""
