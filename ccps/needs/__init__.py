"""What methods need of the language model beyond its answers, one file each."""
