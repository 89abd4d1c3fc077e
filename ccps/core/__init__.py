"""What every room uses and none of it knows models or methods: errors, the console, artifacts, settings."""
