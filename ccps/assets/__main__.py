"""Fetch assets ahead of time: ``python -m ccps.assets NAME …``."""

import sys

from ccps.assets.catalogue import main

sys.exit(main())
