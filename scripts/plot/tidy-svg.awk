# An SVG of gnuplot without its empty groups and its titles, but with ours: -v title=TEXT
/^<title>/ { print "<title>" title "</title>"; next }
/^<desc>/ { next }
held != "" && /^<\/g>$/ { held = ""; next }
held != "" { print held; held = "" }
/^<g fill="none"/ { held = $0; next }
/^[ \t]*$/ { next }
{ gsub(/<title>[^<]*_plot_[0-9]*<\/title>/, ""); print }
END { if (held != "") print held }
