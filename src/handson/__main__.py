"""`python -m handson` is the command `handson`."""

from handson.cli import main

main()
