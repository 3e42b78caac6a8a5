# fish completion for rpg: rpg completion fish > ~/.config/fish/completions/rpg.fish
function __rpg_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    $words[1] __complete $words[2..-1] "$current" 2>/dev/null
end
complete -c rpg -a '(__rpg_complete)'
