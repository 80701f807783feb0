#compdef bolt-prep bolt-train bolt-export bolt-sample bolt-eval
# Completes the command lines of the programs in zsh: options with what they do, values to choose from, files and folders.
# Which options a program has, it says itself (--list-options). `make install` puts this into share/zsh/site-functions.

_bolt() {
    local line name letter value choices text action
    local -a field specs
    for line in ${(f)"$(_call_program options ${(q)words[1]} --list-options 2> /dev/null)"}; do
        field=("${(@ps:\t:)line}")
        name=$field[1] letter=$field[2] value=$field[3] choices=$field[4] text=$field[5]
        text=${${text//\[/(}//\]/)}
        case ${value#\?} in
        FILE | DB | PATH) action=_files ;;
        DIR) action='_files -/' ;;
        *) action=${choices:+"($choices)"} ;;
        esac
        # both names of an option in one; one that may be given again is offered again
        for name in $name $letter; do
            case $value in
            '') specs+=("*${name}[${text//:/\\:}]") ;;
            \?*) specs+=("*${name}${${(M)name:#--*}:+=-}[${text//:/\\:}]::${value#\?}:$action") ;;
            *) specs+=("*${name}${${(M)name:#--*}:+=}[${text//:/\\:}]:${value}:$action") ;;
            esac
        done
    done
    _arguments -S "$specs[@]" '*:file:_files'
}

_bolt "$@"
