"""How posts, counts and alerts move."""
