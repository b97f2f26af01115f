"""The browser application: the same recipes, run while somebody watches."""
