#!/usr/bin/env bats
# Completion of command lines in shells that run on a terminal, as make install puts it in place.

load helpers

setup_file() {
    export TREE=$BATS_FILE_TMPDIR/root
    make -s -o all -C "$ROOT" install OUT="$BUILD" DESTDIR="$TREE" PREFIX=/usr > "$BATS_FILE_TMPDIR/log" 2>&1
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    mkdir stories.d
    touch 'stories one.txt' model.bolt
    cat > rc.bash << 'END'
PS1='READY> '
PATH=$TREE/usr/bin:$PATH
for file in "$TREE"/usr/share/bash-completion/completions/*; do . "$file"; done
bind 'set bell-style none'
bind 'set enable-bracketed-paste off'
show_line() { printf 'LINE<%s>END\n' "$READLINE_LINE"; READLINE_LINE=; }
bind -x '"\C-g": show_line'
END
    cat > .zshrc << 'END'
PS1='READY> '
path=($TREE/usr/bin $path)
fpath=($TREE/usr/share/zsh/site-functions $fpath)
autoload -Uz compinit
compinit -u -D
setopt no_beep
unset zle_bracketed_paste
show_line() { print -r -- "LINE<$BUFFER>END"; BUFFER= }
zle -N show_line
bindkey '^G' show_line
END
}

# until_seen TEXT: reads from the terminal until it has shown TEXT; $seen is all it showed.
until_seen() {
    local piece
    seen=
    until [[ $seen == *"$1"* ]]; do
        IFS= read -r -n 1 -d '' -t 60 -u "${terminal[0]}" piece || flunk "waited in vain for '$1', saw: $seen"
        seen+=$piece
    done
}

# completes SHELL TYPED LINE: who types TYPED, with tabs, has LINE before him.
completes() {
    local command="bash --noprofile --rcfile rc.bash -i" seen
    [ "$1" = bash ] || command="env ZDOTDIR=$PWD zsh -i"
    coproc terminal { TERM=dumb script -qec "$command" /dev/null; }
    until_seen "READY> "
    printf '%b\a' "$2" >&"${terminal[1]}"
    until_seen ">END"
    printf '\025exit\n' >&"${terminal[1]}"
    wait "$terminal_PID" || true
    seen=${seen##*LINE<}
    [ "${seen%>END*}" = "$3" ] || flunk "$1: typed '$2', got '${seen%>END*}', expected '$3'"
}

@test "options told to completion are those of --help, with values to choose from" {
    for t in prep train export sample eval; do
        succeeds "$t" --list-options
        [ -z "$stderr" ]
        cut -f 1 <<< "$output" | sort > listed
        "$BUILD/$t" --help | sed -n 's/^ \{2,6\}\(-[A-Za-z], \)\{0,1\}\(--[a-z0-9-]*\).*/\2/p' | sort > helped
        same listed helped
        [ "$(awk -F '\t' 'NF != 5 || $5 == ""' <<< "$output")" = "" ] || flunk "$t: a line without five fields"
    done
    succeeds train --list-options
    grep -q "^--preset$(printf '\t\t')NAME$(printf '\t')small large swift$(printf '\t')" <<< "$output"
    grep -q "^--cpu$(printf '\t\t')LEVEL$(printf '\t')auto c " <<< "$output"
    grep -q "^--resume$(printf '\t')-r$(printf '\t')?PATH$(printf '\t\t')" <<< "$output"
    fails 2 "--list-options" train --list-options --quiet
}

@test "bash completes options, choices, files and folders" {
    command -v script > /dev/null || skip "script is not installed"
    completes bash 'bolt-train --optimi\tm\t' 'bolt-train --optimiser muon '
    completes bash 'bolt-train --recipe=s\t' 'bolt-train --recipe=swift '
    completes bash 'bolt-prep -o out stories\\ \t --tok\tg\t' 'bolt-prep -o out stories\ one.txt  --tokenizer gpt2 '
    completes bash 'bolt-prep -o sto\t' 'bolt-prep -o stories.d/'
    completes bash 'bolt-export --cpu aut\t m\t' 'bolt-export --cpu auto  model.bolt '
    completes bash 'bolt-train --lr mod\t' 'bolt-train --lr mod'
    completes bash 'bolt-train --resume --re\t' 'bolt-train --resume --re'
    completes bash 'bolt-sample -- mo\t' 'bolt-sample -- model.bolt '
}

@test "zsh completes options, choices, files and folders" {
    for program in script zsh; do
        command -v $program > /dev/null || skip "$program is not installed"
    done
    completes zsh 'bolt-train --optimi\tm\t' 'bolt-train --optimiser=muon '
    completes zsh 'bolt-train --recipe=s\t' 'bolt-train --recipe=swift '
    completes zsh 'bolt-prep -o out stories\\ \t --tok\tg\t' 'bolt-prep -o out stories\ one.txt --tokenizer=gpt2 '
    completes zsh 'bolt-prep -o sto\t' 'bolt-prep -o stories.d/'
    completes zsh 'bolt-export --cpu aut\t m\t' 'bolt-export --cpu auto model.bolt '
    completes zsh 'bolt-train --lr mod\t' 'bolt-train --lr mod'
}
