"""The typed tools: each has its interface, its arguments and result, and beside it its backends."""
