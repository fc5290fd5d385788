"""`python -m sungather`."""

import sys

from sungather.cli import main

sys.exit(main())
