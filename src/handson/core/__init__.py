"""What every room uses: errors, names, descriptions, messages. Nothing here knows of nets."""
