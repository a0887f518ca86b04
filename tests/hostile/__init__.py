"""Files, configurations and commands that were made to break handson."""
