/** `crossgate-bench completion`: completion scripts for bash, zsh and fish, from the commands themselves. */
import type { Command } from 'commander';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** Writes the script. Options are offered after any command: all commands share most of them. */
export function completionScript(program: Command, shell: Shell): string {
  const name = program.name();
  const commands = program.commands.map((command) => command.name());
  const options = [
    ...new Set(program.commands.flatMap(({ options }) => options.map(({ long }) => long ?? ''))),
    '--help',
  ].filter((option) => option !== '');
  if (shell === 'fish') {
    return [
      ...program.commands.map(
        (command) => `complete -c ${name} -n __fish_use_subcommand -f -a ${command.name()} -d '${command.summary()}'`,
      ),
      ...options.map((option) => `complete -c ${name} -l ${option.slice(2)}`),
    ].join('\n');
  }
  const bash = `_crossgate_bench() {
  local current="\${COMP_WORDS[COMP_CWORD]}"
  case "$current" in
    -*) COMPREPLY=($(compgen -W "${options.join(' ')}" -- "$current")) ;;
    *) COMPREPLY=($(compgen -W "${commands.join(' ')}" -- "$current")) ;;
  esac
}
complete -F _crossgate_bench ${name}`;
  return shell === 'bash' ? bash : `autoload -U +X bashcompinit && bashcompinit\n${bash}`;
}
