"""The command line's commands: each parses, calls and reports, and does nothing else.

Only ``render.py`` imports them.
"""
