"""The command line of the host's side."""
