"""e7: zombies and orphans."""
