"""Providers: an adapter per wire format, each a `gateway.providers.upstream.provider.Provider`."""
