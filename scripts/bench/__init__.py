"""What bench.py and trip.py are made of: a server under test, and what loads it."""

import mpchat  # noqa: F401  an older Python than is needed ends here, and says so
