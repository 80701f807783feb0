# A line of the log becomes a row of a table, with tabs between: tokens, seconds, training and validation loss, learning rate,
# tokens a second, norm of the gradient, bits per character, zeros of all weights, of each block's; "-" for what a report
# does not have. A line that is not whole is left out. With $part, the validation of that part stands in the place of the whole.
fromjson? | objects | select(.tokens | type == "number") |
(if $part != "" then (.val_parts | objects | .[$part] | objects) as $v | .val_loss = $v.loss | .val_bpc = $v.bpc else . end) |
[.tokens, .elapsed, .loss, .val_loss, .lr, .tok_s, .grad_norm, .val_bpc, .zero_share, (.block_zero_share | arrays | .[])] |
map(if type == "number" then . else "-" end) | @tsv
