"""What every room may use: where files lie, how they are written whole, words for error messages. Knows nothing of
models or students."""
