"""The composition root: the command line, the service's processes and the HTTP surface; nothing imports it."""
