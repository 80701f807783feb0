"""Tells stories with FlashLM Bolt models.

    import bolt

    model = bolt.Model("model.bolt")
    for text in model.tell("Once upon a time", temperature=0.7, seed=4):
        print(text, end="", flush=True)

A model may be used by any number of threads at a time; what `tell` returns is for one thread. The same model,
arithmetic, seed and options give the same story on every machine, and the one that the program `sample` tells.
Errors are exceptions, all of them `bolt.Error`.
"""

import codecs
import contextlib
import ctypes
import operator
import os
import sys
import threading
from dataclasses import dataclass
from typing import Any, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

from . import _library
from ._version import __version__

__all__ = [
    "Model",
    "Info",
    "Score",
    "Error",
    "ArgumentError",
    "FileError",
    "ModelError",
    "PAD",
    "UNK",
    "BOS",
    "EOS",
    "version",
    "__version__",
]

PAD, UNK, BOS, EOS = 0, 1, 2, 3  # tokens that are no text; EOS ends a story
_MOST_TEXT_BYTES = 2**26  # that a context takes

_lib = _library.load()


class Error(Exception):
    """What went wrong, in one sentence."""


class FileError(Error, OSError):
    """The file cannot be read. A missing file is a FileNotFoundError, too."""


class _FileNotFound(FileError, FileNotFoundError):
    pass


class ModelError(Error, ValueError):
    """Not a model, damaged, or of a version that this library does not know."""


class ArgumentError(Error, ValueError):
    """An argument is out of its range."""


_ERRORS = {
    _library.ERROR_ARGUMENT: ArgumentError,
    _library.ERROR_FILE: FileError,
    _library.ERROR_MODEL: ModelError,
    _library.ERROR_LIMIT: ArgumentError,
}


def _raise(code: int, message: Optional[bytes]) -> None:
    sentence = (message or b"").decode("utf-8", "replace")
    if code == _library.ERROR_MEMORY:
        raise MemoryError(sentence)
    raise _ERRORS.get(code, Error)(sentence)


def _whole(name: str, value: Any, most: int) -> int:
    """The value, if it is a whole number from 0 to most: ctypes would wrap any other without a word."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ArgumentError(f"{name}: {value!r} is not a whole number") from None
    if not 0 <= number <= most:
        raise ArgumentError(f"{name}: {number} is out of its range (0 to {most})")
    return number


def _utf8(text: str) -> bytes:
    """A half of a surrogate pair, which is no character, becomes U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _ids(tokens: Sequence[int]) -> Any:
    """Tokens as the library takes them."""
    ids = (ctypes.c_int32 * len(tokens))(*tokens)
    for i, (token, taken) in enumerate(zip(tokens, ids)):
        if token != taken:
            raise ArgumentError(f"token {i} is {token}, which no model has")
    return ids


class _Drawing(NamedTuple):
    """How tokens are drawn: the keywords of `tell`, in their ranges."""

    max_tokens: Optional[int]
    seed: int
    options: Any

    @classmethod
    def of(
        cls,
        max_tokens: Optional[int],
        seed: int,
        temperature: float,
        top_k: int,
        top_p: float,
        min_p: float,
        repeat_penalty: float,
    ) -> "_Drawing":
        return cls(
            None if max_tokens is None else _whole("max_tokens", max_tokens, sys.maxsize),
            _whole("seed", seed, 2**64 - 1),
            _library.SampleOptions(
                ctypes.sizeof(_library.SampleOptions),
                temperature,
                _whole("top_k", top_k, 65536),
                top_p,
                min_p,
                repeat_penalty,
            ),
        )


def version() -> str:
    """Version of libbolt in use, such as "0.1.0"."""
    return _lib.bolt_version().decode()


@dataclass(frozen=True)
class Info:
    """What a model is."""

    n_parameters: int
    n_vocab: int  #: tokens, and so logits
    n_width: int
    n_blocks: int
    n_hidden: int
    n_taps: int  #: of the convolutions
    n_sequence: int  #: tokens of a training sequence; stories may be longer
    n_context: int  #: tokens before the newest that have a say in the next one
    math: str  #: "int8" or "exact"
    cpu: str  #: instruction set in use
    fingerprint: int  #: of the file's contents
    vocab_fingerprint: int


class Score(NamedTuple):
    """How well a model predicts a text."""

    nats: float  #: sum of -ln(probability) over the predictions
    n_tokens: int  #: predictions; the end of the story is one

    @property
    def loss(self) -> float:
        """Nats a token."""
        return self.nats / self.n_tokens


class _Context:
    """A bolt_context, freed with the object. For one thread at a time."""

    def __init__(self, model: "Model"):
        self.model = model  # must outlive the context
        self.text_bytes = 0
        self.pointer = ctypes.c_void_p()
        self.grow(16384)

    def grow(self, text_bytes: int) -> None:
        """Makes room for texts of so many bytes. The context starts again."""
        if self.pointer and text_bytes <= self.text_bytes:
            return
        options = _library.ContextOptions(ctypes.sizeof(_library.ContextOptions), text_bytes)
        message = ctypes.create_string_buffer(512)
        larger = ctypes.c_void_p()
        code = _lib.bolt_context_new(self.model._pointer, options, larger, message, len(message))
        if code:
            _raise(code, message.value)
        self.free()  # what there is stays good where there is no larger one
        self.pointer, self.text_bytes = larger, text_bytes

    def free(self) -> None:
        _lib.bolt_context_free(self.pointer)
        self.pointer = ctypes.c_void_p()
        self.text_bytes = 0

    def __del__(self) -> None:
        if getattr(self, "pointer", None):
            self.free()

    def check(self, code: int) -> int:
        if code < 0:
            _raise(code, _lib.bolt_error(self.pointer))
        return code

    def encode(self, text: bytes) -> List[int]:
        if len(text) > _MOST_TEXT_BYTES:
            raise ArgumentError(f"text too long (found {len(text)} bytes, at most {_MOST_TEXT_BYTES})")
        self.grow(len(text))
        capacity = max(len(text), 64)
        while True:
            ids = (ctypes.c_int32 * capacity)()
            n = _lib.bolt_encode(self.pointer, text, len(text), ids, capacity)
            if n == _library.ERROR_LIMIT and self.text_bytes < _MOST_TEXT_BYTES:  # it grows when it is normalised
                self.grow(min(2 * self.text_bytes, _MOST_TEXT_BYTES))
            elif self.check(n) <= capacity:
                return ids[:n]
            else:
                capacity = n

    def step(self, tokens: Sequence[int]) -> None:
        self.check(_lib.bolt_step(self.pointer, _ids(tokens), len(tokens)))


class _Borrowed:
    """A context of the model's, for the length of a `with`."""

    def __init__(self, model: "Model"):
        self.model = model

    def __enter__(self) -> _Context:
        with self.model._lock:
            free = self.model._free
            self.context = free.pop() if free else None
        if self.context is None:
            self.context = _Context(self.model)
        return self.context

    def __exit__(self, *_: Any) -> None:
        with self.model._lock:
            self.model._free.append(self.context)


class Model:
    """A model, open for telling, encoding and scoring. May be used by many threads at a time.

    file: path of a model.bolt, or its bytes.
    math: "int8" rounds activations to 8 bits and is the fastest; "exact" keeps them floats.
    cpu: instruction set, such as "avx2"; None takes the best there is.

    Raises FileError, ModelError, ArgumentError, MemoryError.
    """

    def __init__(self, file: Union[str, "os.PathLike[str]", bytes], *, math: str = "int8", cpu: Optional[str] = None):
        self._pointer = ctypes.c_void_p()
        self._free: List[_Context] = []
        self._lock = threading.Lock()
        kinds = {"int8": 0, "exact": 1}
        if math not in kinds:
            raise ArgumentError(f"math: {math!r} is neither 'int8' nor 'exact'")
        options = _library.ModelOptions(
            ctypes.sizeof(_library.ModelOptions), kinds[math], cpu.encode() if cpu is not None else None
        )
        message = ctypes.create_string_buffer(512)
        if isinstance(file, (bytes, bytearray, memoryview)):
            data = bytes(file)
            # 8 more, since the library wants the beginning on a multiple of 8
            self._data = ctypes.create_string_buffer(len(data) + 8)
            at = (ctypes.addressof(self._data) + 7) & ~7
            ctypes.memmove(at, data, len(data))
            code = _lib.bolt_open_memory(at, len(data), options, self._pointer, message, len(message))
        else:
            if not os.path.exists(file):
                raise _FileNotFound(f"{os.fspath(file)}: cannot open: No such file or directory")
            code = _lib.bolt_open_file(os.fsencode(file), options, self._pointer, message, len(message))
        if code:
            _raise(code, message.value)
        raw = _library.Info(ctypes.sizeof(_library.Info))
        _lib.bolt_info(self._pointer, raw)
        names = Info.__dataclass_fields__
        values = {name: getattr(raw, name) for name in names if name not in ("math", "cpu")}
        self._info = Info(math=math, cpu=raw.cpu.decode(), **values)
        self._texts: List[Optional[bytes]] = [None] * self._info.n_vocab

    def __del__(self) -> None:
        # Contexts in use keep the model alive, so only free ones are left here.
        if getattr(self, "_pointer", None):
            for context in self._free:
                context.free()
            _lib.bolt_close(self._pointer)

    def __reduce__(self) -> Any:
        raise TypeError("a bolt.Model can neither be copied nor pickled: open its file again")

    def __repr__(self) -> str:
        i = self._info
        return f"<bolt.Model: {i.n_parameters:,} parameters, {i.n_vocab:,} tokens, {i.math}>"

    @property
    def info(self) -> Info:
        """Sizes, arithmetic and fingerprints."""
        return self._info

    def token_bytes(self, token: int) -> bytes:
        """The text of a token, not always whole characters; b"" for PAD, BOS and EOS. Raises ArgumentError."""
        if not 0 <= token < len(self._texts):
            raise ArgumentError(f"token {token}: the model has tokens 0 to {len(self._texts) - 1}")
        text = self._texts[token]
        if text is None:
            n = ctypes.c_size_t()
            text = self._texts[token] = ctypes.string_at(_lib.bolt_token_text(self._pointer, token, n), n.value)
        return text

    def encode(self, text: str) -> List[int]:
        """The tokens of a text, which is normalised first as for training. Raises ArgumentError."""
        with _Borrowed(self) as context:
            return context.encode(_utf8(text))

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens; invalid bytes become U+FFFD. Raises ArgumentError."""
        return b"".join(map(self.token_bytes, tokens)).decode("utf-8", "replace")

    def tell(
        self,
        prompt: str = "",
        *,
        max_tokens: Optional[int] = 200,
        seed: int = 42,
        stream: int = 0,
        temperature: float = 0.8,
        top_k: int = 50,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repeat_penalty: float = 1.0,
    ) -> Iterator[str]:
        """Continues a prompt: yields pieces of text as they come, each of whole characters.

        max_tokens: tokens at most after the prompt; None: until the story ends.
        seed, stream: the same two give the same story; two streams of one seed are unrelated. `sample
            --count N` tells the streams 0 to N - 1.
        temperature: logits are divided by it, 0 to 100; 0 always takes the likeliest token.
        top_k: only the k likeliest tokens, 0: all. top_p: only the likeliest that together reach this
            probability, 1: all. min_p: none less likely than this times the likeliest.
        repeat_penalty: above 1 makes the last 64 tokens less likely.

        Raises ArgumentError, before the first piece.
        """
        drawing = _Drawing.of(max_tokens, seed, temperature, top_k, top_p, min_p, repeat_penalty)
        return self._tell(_utf8(prompt), _whole("stream", stream, 2**64 - 1), drawing)

    def _tell(self, prompt: bytes, stream: int, drawing: _Drawing) -> Iterator[str]:
        max_tokens, seed, options = drawing
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        texts, one = self._texts, (ctypes.c_int32 * 1)()
        sample, step = _lib.bolt_sample, _lib.bolt_step
        with _Borrowed(self) as context:
            tokens = context.encode(prompt)
            _lib.bolt_reset(context.pointer, seed, stream)
            context.step(tokens)
            pointer, told = context.pointer, 0
            while max_tokens is None or told < max_tokens:
                token = sample(pointer, options, None)
                if token == EOS:
                    break
                context.check(token)
                text = decode(texts[token] or self.token_bytes(token))
                if text:
                    yield text
                told += 1
                if told != max_tokens:
                    one[0] = token
                    step(pointer, one, 1)
        rest = decode(b"", True)
        if rest:
            yield rest

    def tell_many(
        self,
        prompts: Sequence[str],
        *,
        max_tokens: Optional[int] = 200,
        seed: int = 42,
        temperature: float = 0.8,
        top_k: int = 50,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repeat_penalty: float = 1.0,
    ) -> Iterator[Tuple[int, str]]:
        """Continues each of many prompts, all stories as one batch: yields (i, text), a piece of the story after
        prompts[i]. Story i is what `tell` tells with stream=i; a token costs a fraction of what it costs there.

        The options are those of `tell`. Raises ArgumentError, before the first piece.
        """
        if isinstance(prompts, str):
            raise ArgumentError("prompts: one text, of which each character would be a prompt; give a list")
        drawing = _Drawing.of(max_tokens, seed, temperature, top_k, top_p, min_p, repeat_penalty)
        return self._tell_many([_utf8(p) for p in prompts], drawing)

    def _tell_many(self, prompts: List[bytes], drawing: _Drawing) -> Iterator[Tuple[int, str]]:
        max_tokens, seed, options = drawing
        decoders = [codecs.getincrementaldecoder("utf-8")("replace") for _ in prompts]
        with contextlib.ExitStack() as borrowed:
            running = [borrowed.enter_context(_Borrowed(self)) for _ in prompts]
            numbers = list(range(len(prompts)))
            for i, context in enumerate(running):
                tokens = context.encode(prompts[i])
                _lib.bolt_reset(context.pointer, seed, i)
                context.step(tokens)
            drawn: Any = None
            told = 0
            while running and told != max_tokens:
                n = len(running)
                pointers = (ctypes.c_void_p * n)(*[context.pointer.value for context in running])
                running[0].check(_lib.bolt_step_many(pointers, drawn, n))
                told += 1
                going, next_tokens = [], []
                for i, context in zip(numbers, running):
                    token = context.check(_lib.bolt_sample(context.pointer, options, None))
                    text = decoders[i].decode(self.token_bytes(token) if token != EOS else b"", token == EOS)
                    if text:
                        yield i, text
                    if token != EOS:
                        going.append((i, context))
                        next_tokens.append(token)
                numbers, running = [i for i, _ in going], [context for _, context in going]
                drawn = (ctypes.c_int32 * len(going))(*next_tokens)
        for i in numbers:
            rest = decoders[i].decode(b"", True)
            if rest:
                yield i, rest

    def logits(self, tokens: Union[str, Sequence[int]]) -> Any:
        """The n_vocab logits of the token that follows a text or tokens, read from a story's beginning: an array of
        numpy where numpy is installed, else a list of float. Raises ArgumentError."""
        with _Borrowed(self) as context:
            if isinstance(tokens, str):
                tokens = context.encode(_utf8(tokens))
            _lib.bolt_reset(context.pointer, 0, 0)
            context.step(tokens)
            values = _lib.bolt_logits(context.pointer)
            try:
                import numpy
            except ImportError:
                return values[: self._info.n_vocab]
            return numpy.ctypeslib.as_array(values, (self._info.n_vocab,)).copy()

    def score(self, tokens: Union[str, Sequence[int]]) -> Score:
        """How well the model predicts a whole story, its end included, as `eval` counts. Tokens are taken as they are: EOS
        is not added to them. Raises ArgumentError."""
        nats = ctypes.c_double()
        with _Borrowed(self) as context:
            if isinstance(tokens, str):
                tokens = context.encode(_utf8(tokens)) + [EOS]
            if len(tokens) == 0:
                raise ArgumentError("no tokens to score")
            _lib.bolt_reset(context.pointer, 0, 0)
            context.check(_lib.bolt_score(context.pointer, _ids(tokens), len(tokens), nats))
        return Score(nats.value, len(tokens))
