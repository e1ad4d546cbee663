"""Providers: one adapter per wire format, all behind the seam of `gateway.providers.upstream.provider`."""
