"""One module per command: `arguments(parser)` declares, `run(options)` does it and gives the exit code."""
