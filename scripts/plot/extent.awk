# The horizontal extent of charts over a column of tables of reports: "LEFT RIGHT".
#
#   awk -F '\t' -v c=COLUMN -v unit=SIZE -f extent.awk REPORTS...
$c == "-" { next }
{ x = $c / unit }
!n++ || x < left { left = x }
x > right { right = x }
END {
    if (left < right / 3) left = 0
    if (right <= left) { left -= left / 10; right += right ? right / 10 : 1 }
    print left, right + 0.01 * (right - left)
}
