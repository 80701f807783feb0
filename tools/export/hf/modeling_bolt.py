"""FlashLM Bolt in PyTorch, for transformers 4 and 5.

    x = E[token]
    for each block:
        g, v = split(U rmsnorm(x))
        x += W (mix(v) * sigmoid(g))                       mix: a causal, depthwise convolution, or attention
        x += Wd (silu(Wg n) * (Wu n)),  n = rmsnorm(x)
    logits = E rmsnorm(x)

The linear weights of a block are stored as the model uses them: -1, 0 or +1 times one scale a matrix.
"""

import torch
import torch.nn.functional as F
import transformers
from torch import nn
from transformers import GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from .configuration_bolt import BoltConfig


class BoltNorm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.scale


class BoltConvolution(nn.Module):
    def __init__(self, config, layer):
        super().__init__()
        width, dilation = config.hidden_size, config.conv_dilation[layer]
        self.reach = (config.conv_kernel - 1) * dilation
        self.up = nn.Linear(width, 2 * width, bias=False)
        self.conv = nn.Conv1d(width, width, config.conv_kernel, groups=width, bias=False, dilation=dilation)
        self.down = nn.Linear(width, width, bias=False)

    def forward(self, x, past, mask):
        """x [B][T][D], past [B][D][reach] or None, mask [B][T] or None; also returns what is the next call's past."""
        gate, v = self.up(x).chunk(2, dim=-1)
        v = v.transpose(1, 2)
        if mask is not None:
            v = v * mask[:, None, :].to(v.dtype)  # a padding token has no value
        v = F.pad(v, (self.reach, 0)) if past is None else torch.cat([past, v], -1)
        mixed = self.conv(v).transpose(1, 2)
        return self.down(mixed * torch.sigmoid(gate)), v[..., v.shape[-1] - self.reach :]


class BoltDistance(nn.Module):
    """What is added to the score of a key so many tokens back."""

    def __init__(self, heads, window):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(heads, window))


class BoltAttention(nn.Module):
    """Over the last `window` tokens, that of the query among them."""

    def __init__(self, config, layer):
        super().__init__()
        width, self.heads, self.window = config.hidden_size, config.heads, config.window
        self.keys = config.heads * config.key_width
        self.scale = config.key_width**-0.5
        self.up = nn.Linear(width, 2 * width, bias=False)
        self.query_key = nn.Linear(width, 2 * self.keys, bias=False)
        self.distance = BoltDistance(config.heads, config.window)
        self.down = nn.Linear(width, width, bias=False)

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B][heads][T][...]

    def forward(self, x, past, mask):
        """As of a convolution; past [B][up to window - 1][keys + D + 1]: keys, values, and whether the token is one."""
        gate, v = self.up(x).chunk(2, dim=-1)
        q, k = self.query_key(x).chunk(2, dim=-1)
        there = torch.ones_like(x[..., :1]) if mask is None else mask[..., None].to(x.dtype)
        all = torch.cat([k, v, there], -1)
        if past is not None:
            all = torch.cat([past, all], 1)
        k, v, there = all.split([self.keys, x.shape[-1], 1], -1)
        n_queries, n_keys = x.shape[1], all.shape[1]
        places = torch.arange(n_keys, device=x.device)
        back = places[n_keys - n_queries :, None] - places
        seen = (back >= 0) & (back < self.window) & (there[:, None, None, :, 0] > 0) | (back == 0)
        scores = self.split(q) @ self.split(k).transpose(-1, -2) * self.scale
        scores = scores + self.distance.bias[:, back.clamp(0, self.window - 1)]
        weights = torch.softmax(scores.masked_fill(~seen, -torch.inf), -1)
        mixed = (weights @ self.split(v)).transpose(1, 2).flatten(2)
        return self.down(mixed * torch.sigmoid(gate)), all[:, max(0, n_keys - self.window + 1) :]


MIXERS = {"conv": BoltConvolution, "attention": BoltAttention}


class BoltFeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, hidden = config.hidden_size, config.intermediate_size
        self.W_gate = nn.Linear(width, hidden, bias=False)
        self.W_up = nn.Linear(width, hidden, bias=False)
        self.W_down = nn.Linear(hidden, width, bias=False)

    def forward(self, x):
        return self.W_down(F.silu(self.W_gate(x)) * self.W_up(x))


class BoltBlock(nn.Module):
    def __init__(self, config, layer):
        super().__init__()
        self.norm1 = BoltNorm(config.hidden_size, config.norm_eps)
        self.mixer = MIXERS[config.mixers[layer]](config, layer)
        self.norm2 = BoltNorm(config.hidden_size, config.norm_eps)
        self.ffn = BoltFeedForward(config)

    def forward(self, x, past, mask):
        mixed, past = self.mixer(self.norm1(x), past, mask)
        x = x + mixed
        return x + self.ffn(self.norm2(x)), past


class BoltCache:
    """What every block's mixer saw last: of one size, whatever the length of the text. seen counts the tokens, and padding."""

    is_compileable = False
    is_linear = (False,)  # of the layers: where all are linear, generate() does not tell which ids are new

    def __init__(self, states=None, seen=0):
        self.states = states
        self.seen = seen

    def get_seq_length(self, layer_idx=0):
        return self.seen

    def get_max_cache_shape(self, layer_idx=0):
        return None

    def reorder_cache(self, beam_idx):
        self.states = [s.index_select(0, beam_idx.to(s.device)) for s in self.states]


# What outputs and arguments call the state; and what is tied: a list until transformers 4, a mapping since 5.
CACHE = "cache" if "cache" in CausalLMOutputWithPast.__dataclass_fields__ else "past_key_values"
TIED = {"head.weight": "embedding.weight"} if int(transformers.__version__.split(".")[0]) >= 5 else ["head.weight"]


class BoltForCausalLM(PreTrainedModel, GenerationMixin):
    config_class = BoltConfig
    base_model_prefix = ""
    main_input_name = "input_ids"
    _is_stateful = True
    _no_split_modules = ["BoltBlock"]
    _tied_weights_keys = TIED

    def __init__(self, config):
        super().__init__(config)
        if not config.ternary_weights:
            raise ValueError("config.json: ternary_weights must be true: weights that are still to be rounded are not computed here")
        if len(config.conv_dilation or []) != config.num_hidden_layers:
            raise ValueError("config.json: conv_dilation must have a number for each of the num_hidden_layers blocks")
        if len(config.mixers or []) != config.num_hidden_layers:
            raise ValueError("config.json: mixers must have a name for each of the num_hidden_layers blocks")
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.blocks = nn.ModuleList(BoltBlock(config, layer) for layer in range(config.num_hidden_layers))
        self.final_norm = BoltNorm(config.hidden_size, config.norm_eps)
        self.head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self):
        return self.embedding

    def set_input_embeddings(self, embedding):
        self.embedding = embedding

    def get_output_embeddings(self):
        return self.head

    def set_output_embeddings(self, head):
        self.head = head

    def _init_weights(self, module):
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)

    @classmethod
    def _supports_default_dynamic_cache(cls):
        return False  # generate() is not to make a cache of keys and values

    def prepare_inputs_for_generation(
        self, input_ids, past_key_values=None, cache=None, attention_mask=None, use_cache=True, next_sequence_length=0, **kwargs
    ):
        cache = past_key_values if cache is None else cache
        if isinstance(cache, BoltCache) and cache.states:
            # How many of the ids are new; None: all. Transformers 4 does not tell: there a mask is of the whole text, and the ids
            # are of it, too, or of what is new.
            if next_sequence_length == 0:
                length = input_ids.shape[1] if attention_mask is None else attention_mask.shape[1]
                next_sequence_length = length - cache.seen
            n = input_ids.shape[1] if next_sequence_length is None else next_sequence_length
            if not 0 < n <= input_ids.shape[1]:
                raise ValueError(f"the cache has read {cache.seen} tokens; of {input_ids.shape[1]} given {n} would be new")
            input_ids = input_ids[:, -n:]
        return {
            "input_ids": input_ids,
            CACHE: cache,
            "attention_mask": attention_mask,
            "use_cache": use_cache,
        }

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        past_key_values=None,
        inputs_embeds=None,
        cache=None,
        labels=None,
        use_cache=None,
        logits_to_keep=0,
        output_hidden_states=None,
        return_dict=None,
        **kwargs,
    ):
        if inputs_embeds is None:
            # Tokens that the vocabulary does not keep read as the unknown one.
            known = torch.where(input_ids < self.config.vocab_size, input_ids, self.config.unk_token_id)
            inputs_embeds = self.embedding(known)
        x = inputs_embeds
        if self.config.embed_norm:
            x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.config.norm_eps)
        length = x.shape[1]
        mask = None
        if attention_mask is not None and attention_mask.dim() == 2:
            mask = attention_mask[:, -length:]
            mask = None if bool(mask.all()) else mask
        cache = past_key_values if cache is None else cache
        cache = cache if isinstance(cache, BoltCache) else BoltCache()
        states, hidden = [], [x]
        for layer, block in enumerate(self.blocks):
            x, state = block(x, cache.states[layer] if cache.states else None, mask)
            states.append(state)
            hidden.append(x)
        x = self.final_norm(x)
        if isinstance(logits_to_keep, int):
            x = x[:, -logits_to_keep:] if logits_to_keep else x
        else:
            x = x[:, logits_to_keep]
        logits = self.head(x)
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size, **kwargs)
        use_cache = self.config.use_cache if use_cache is None else use_cache
        output = CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            hidden_states=tuple(hidden) if output_hidden_states else None,
            **{CACHE: BoltCache(states, cache.seen + length) if use_cache else None},
        )
        return output if return_dict is not False else output.to_tuple()
