"""A guest: Debian's stock kernel in QEMU, over this machine's own files, for what needs a real USB stack.

`guest.py` boots it and runs commands in it, `python -m tests.vm -- COMMAND` does so for people, and `conftest.py`
runs the tests of this directory in it.
"""
