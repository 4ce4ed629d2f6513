"""What chaos.py is made of: the server and its killer, the clients, and the judge of what they read."""

import mpchat  # noqa: F401  an older Python than is needed ends here, and says so
