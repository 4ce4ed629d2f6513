"""Two small chat servers to compare with: what one writes first, with threads, and the same with asyncio."""
