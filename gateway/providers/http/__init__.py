"""HTTP/1.1 client for providers: pooled connections on llhttp, proxies, TLS, bounded reads."""
