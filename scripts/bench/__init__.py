"""What `make bench`, `make bench-peers`, `make bench-growth` and trip.py are made of: servers, and what loads them."""

import mpchat  # noqa: F401  an older Python than is needed ends here, and says so
