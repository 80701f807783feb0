"""bolt.h as ctypes sees it. Not for users of the package."""

import ctypes
import os
from ctypes import POINTER, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

SONAME = "libbolt.so.0"
API_VERSION = 2  # what this package needs at least

ERROR_ARGUMENT, ERROR_FILE, ERROR_MODEL, ERROR_MEMORY, ERROR_LIMIT = -1, -2, -3, -4, -5


class ModelOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("math", c_int), ("cpu", c_char_p)]


class ContextOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("max_text_bytes", c_size_t)]


class Info(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("fingerprint", c_uint64),
        ("vocab_fingerprint", c_uint64),
        ("n_parameters", c_uint64),
        ("n_context", c_uint64),
        ("n_vocab", c_uint32),
        ("n_width", c_uint32),
        ("n_blocks", c_uint32),
        ("n_hidden", c_uint32),
        ("n_taps", c_uint32),
        ("n_sequence", c_uint32),
        ("pad", c_int32),
        ("unk", c_int32),
        ("bos", c_int32),
        ("eos", c_int32),
        ("math", c_int32),
        ("cpu", c_char_p),
    ]


class SampleOptions(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("temperature", c_float),
        ("top_k", c_int32),
        ("top_p", c_float),
        ("min_p", c_float),
        ("repeat_penalty", c_float),
    ]


# Name: (result, arguments).
_FUNCTIONS = {
    "bolt_version": (c_char_p, []),
    "bolt_api_version": (c_int, []),
    "bolt_open_file": (c_int, [c_char_p, POINTER(ModelOptions), POINTER(c_void_p), c_char_p, c_size_t]),
    "bolt_open_memory": (c_int, [c_void_p, c_size_t, POINTER(ModelOptions), POINTER(c_void_p), c_char_p, c_size_t]),
    "bolt_close": (None, [c_void_p]),
    "bolt_info": (c_int, [c_void_p, POINTER(Info)]),
    "bolt_token_text": (c_void_p, [c_void_p, c_int32, POINTER(c_size_t)]),
    "bolt_context_new": (c_int, [c_void_p, POINTER(ContextOptions), POINTER(c_void_p), c_char_p, c_size_t]),
    "bolt_context_free": (None, [c_void_p]),
    "bolt_error": (c_char_p, [c_void_p]),
    "bolt_reset": (None, [c_void_p, c_uint64, c_uint64]),
    "bolt_encode": (c_int64, [c_void_p, c_char_p, c_size_t, POINTER(c_int32), c_size_t]),
    "bolt_step": (c_int, [c_void_p, POINTER(c_int32), c_size_t]),
    "bolt_step_many": (c_int, [POINTER(c_void_p), POINTER(c_int32), c_size_t]),
    "bolt_logits": (POINTER(c_float), [c_void_p]),
    "bolt_sample": (c_int32, [c_void_p, POINTER(SampleOptions), POINTER(c_float)]),
    "bolt_score": (c_int, [c_void_p, POINTER(c_int32), c_size_t, POINTER(c_double)]),
}


def load() -> ctypes.CDLL:
    """The library named by BOLT_LIBRARY, else the one in this package, else the installed one."""
    carried = os.path.join(os.path.dirname(__file__), "libbolt.so")
    named = os.environ.get("BOLT_LIBRARY")
    place = named or (carried if os.path.exists(carried) else SONAME)
    try:
        library = ctypes.CDLL(place)
    except OSError as error:
        raise ImportError(
            f"{place}: cannot be loaded ({error}); install libbolt (make install, then ldconfig), or name it in "
            "the environment variable BOLT_LIBRARY"
        ) from None
    for name, (result, arguments) in _FUNCTIONS.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise ImportError(f"{place}: has no {name}: an older libbolt than this package needs") from None
        function.restype, function.argtypes = result, arguments
    found = library.bolt_api_version()
    if found < API_VERSION:
        raise ImportError(f"{place}: interface version {found}, expected {API_VERSION} or later")
    return library
