"""A module that an engine must not fork after: it takes the engine's standard input for a GPU that is in use."""

import sys

sys.modules["__main__"].GPUS = ("/dev/null",)
