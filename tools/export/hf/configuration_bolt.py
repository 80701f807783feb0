"""Sizes of a FlashLM Bolt model."""

from transformers import PretrainedConfig


class BoltConfig(PretrainedConfig):
    """Names are those of transformers: hidden_size is the width of the residual stream, intermediate_size the hidden width
    of the feed-forward part. mixers has a name a block, conv or attention; heads, key_width and window are of attention,
    embed_norm says whether the first block reads the embedding through a norm. conv_dilation has the distance between the taps of each block's convolution.

    ternary_weights says that each linear matrix of a block holds -1, 0 and +1 times one number. seq_len is the length of a
    training sequence; a text of any length can be read, which max_position_embeddings tells those who ask."""

    model_type = "bolt"

    # What no shape tells has no default that a model could have: transformers leaves defaults out of a config.json.
    def __init__(
        self,
        vocab_size=10000,
        hidden_size=192,
        num_hidden_layers=6,
        intermediate_size=512,
        conv_kernel=8,
        conv_dilation=None,
        mixers=None,
        heads=None,
        key_width=None,
        window=None,
        embed_norm=None,
        norm_eps=1e-6,
        ternary_weights=None,
        seq_len=None,
        max_position_embeddings=1 << 20,
        unk_token_id=1,
        pad_token_id=0,
        bos_token_id=3,
        eos_token_id=3,
        tie_word_embeddings=True,
        use_cache=True,
        **kwargs,
    ):
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.intermediate_size = intermediate_size
        self.conv_kernel = conv_kernel
        self.conv_dilation = conv_dilation
        self.mixers = mixers
        self.heads = heads
        self.key_width = key_width
        self.window = window
        self.embed_norm = embed_norm
        self.norm_eps = norm_eps
        self.ternary_weights = ternary_weights
        self.seq_len = seq_len
        self.max_position_embeddings = max_position_embeddings
        self.unk_token_id = unk_token_id
        self.use_cache = use_cache
        super().__init__(
            pad_token_id=pad_token_id,
            bos_token_id=bos_token_id,
            eos_token_id=eos_token_id,
            tie_word_embeddings=tie_word_embeddings,
            **kwargs,
        )
