"""`python -m sdspec` is the command `sdspec`."""

import sys

from sdspec.cli.main import main

sys.exit(main())
