"""What puts questions to a language model."""
