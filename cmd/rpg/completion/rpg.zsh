#compdef rpg
# zsh completion for rpg: rpg completion zsh > "${fpath[1]}/_rpg"
_rpg() {
    local line word
    local -a found
    while IFS= read -r line; do
        word=${line%%$'\t'*}
        found+=("${word//:/\\:}:${line#*$'\t'}")
    done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( ${#found} )); then
        _describe rpg found
    else
        _files
    fi
}
compdef _rpg rpg
