"""The fencer: ends the leadership of a primary that cannot write any more, and of no other.

It looks at what the container engine reports as ended, never at silence: docs/fencer.md.
"""
