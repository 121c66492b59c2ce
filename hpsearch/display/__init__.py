"""What the user watches in a terminal while a study runs.

terminal    the listener that fits the terminal: a live view, or plain lines
live_view   a table of the running trials with their curves, redrawn in place
board       the state of the running trials, which both show
"""
