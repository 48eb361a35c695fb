#!/usr/bin/env python
"""The command line of Segue; `manage.py --help` lists it."""

from app.cli import main

if __name__ == "__main__":
    main()
