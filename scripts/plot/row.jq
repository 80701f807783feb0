# The cells of a run in the table of the page, from all reports of its log: the last one, and the best validation.
def grouped: tostring | if test("^[0-9]+$") then [while(. != ""; .[:-3]) | .[-3:]] | reverse | join(",") else . end;
def fixed(n): if type == "number" then (. * pow(10; n) | round | tostring) as $d
    | ("0" * ([n + 1 - ($d | length), 0] | max) // "") + $d | .[:-n] + "." + .[-n:] else "–" end;
def time: if type != "number" then "–" else (. / 60 | floor) as $m
    | if $m < 2 then "\(floor) s" elif $m < 120 then "\($m) min" else "\($m / 60 | floor) h \($m % 60) min" end end;
(map(select(.val_loss | type == "number")) | min_by(.val_loss)) as $best | .[-1] |
[(.step // "–" | grouped), (.tokens | grouped), (.elapsed | time),
 (.progress | if type == "number" then "\(. * 100 | floor) %" else "–" end), (.loss | fixed(3)),
 ($best.val_loss | fixed(3)), ($best.val_bpc | fixed(3)),
 (.tok_s | if type == "number" then round | grouped else "–" end)] | "<td>" + join("<td>")
