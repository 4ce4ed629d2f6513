"""What soak.py is made of: the pairs that talk, the strangers that attack, what is watched, and the verdict."""

import mpchat  # noqa: F401  an older Python than is needed ends here, and says so
