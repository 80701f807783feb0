# shellcheck shell=bash
# Completes the command lines of the programs in bash: options, values to choose from, files and folders. Which options a
# program has, it says itself (--list-options). `make install` puts this where bash-completion finds it; without that:
#
#   . scripts/completion.bash; complete -F _bolt build/{prep,train,export,sample,eval}

_bolt() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} word table name letter value choices _
    COMPREPLY=()
    table=$("${1/#\~/$HOME}" --list-options 2> /dev/null) || return 0
    # bash takes "--name=value" for three words
    case $cur,$prev in
    =,*) cur='' ;;
    *,=) prev=${COMP_WORDS[COMP_CWORD - 2]} ;;
    esac
    for word in "${COMP_WORDS[@]:1:COMP_CWORD - 1}"; do
        if [ "$word" = -- ]; then
            compopt -o default
            return
        fi
    done
    # a tab that read may not swallow when two stand together
    while IFS='|' read -r name letter value choices _; do
        if [ -z "$value" ] || { [ "$prev" != "$name" ] && [ "$prev" != "${letter:-$name}" ]; }; then continue; fi
        case $value in
        \?*) [[ $cur != -* ]] || break ;;
        esac
        case ${value#\?} in
        FILE | DB | PATH) compopt -o default ;;
        DIR) compopt -o dirnames ;;
        *) mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$cur") ;;
        esac
        return
    done < <(tr '|\t' ' |' <<< "$table")
    case $cur in
    -*) mapfile -t COMPREPLY < <(compgen -W "$(cut -f 1 <<< "$table")" -- "$cur") ;;
    *) compopt -o default ;;
    esac
}

complete -F _bolt bolt-prep bolt-train bolt-export bolt-sample bolt-eval
