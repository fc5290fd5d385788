"""The snap's hooks: `python -m sungather.snap HOOK`."""

import sys

from sungather.snap.hooks import main

sys.exit(main(sys.argv[1]))
