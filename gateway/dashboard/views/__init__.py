"""View-models: what each page shows, made from the management API's own views."""
