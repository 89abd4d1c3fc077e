"""One file a command; each registers itself, so that nothing lists them."""
