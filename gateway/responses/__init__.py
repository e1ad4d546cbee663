"""OpenAI's Responses API, stateless, translated to chat completions and back around the same flow."""
