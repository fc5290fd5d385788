"""`python -m sungather`."""

import sys

from sungather.cli.command_line import main

sys.exit(main())
