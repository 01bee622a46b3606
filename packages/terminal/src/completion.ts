/** Completion scripts for bash, zsh and fish, generated from the commands themselves. */
import { Argument, type Command } from 'commander';
import type { Host } from './host';
import { write } from './io';

/** A command as completion sees it. */
interface Node {
  /** Names from the program down, joined by spaces; '' is the program. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly summary: string }[];
  readonly options: readonly { readonly flag: string; readonly summary: string }[];
}

function collectNodes(command: Command, path = ''): Node[] {
  const node: Node = {
    path,
    commands: command.commands.map((child) => ({ name: child.name(), summary: child.summary() })),
    options: command.options.map((option) => ({
      flag: option.long ?? option.short ?? '',
      summary: option.description,
    })),
  };
  return [node, ...command.commands.flatMap((child) => collectNodes(child, `${path} ${child.name()}`.trim()))];
}

/** Shell code that leaves the command path in `$path`; bash and zsh read the same. */
function pathFinder(nodes: readonly Node[]): string {
  const paths = nodes.filter((node) => node.path !== '').map((node) => `"${node.path}"`);
  return `  local candidate word path=""
  for word in "\${words[@]:1}"; do
    candidate="\${path:+$path }$word"
    case "$candidate" in
      ${paths.join('|')}) path="$candidate" ;;
    esac
  done`;
}

function bash(name: string, nodes: readonly Node[]): string {
  const cases = nodes.map(
    (node) =>
      `    "${node.path}") commands="${node.commands.map(({ name }) => name).join(' ')}"; options="${node.options.map(({ flag }) => flag).join(' ')} --help" ;;`,
  );
  return `# bash completion for ${name}: source <(${name} completion bash)
${functionOf(name)}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" commands="" options=""
  local -a words=("\${COMP_WORDS[@]:0:COMP_CWORD}")
${pathFinder(nodes)}
  case "$path" in
${cases.join('\n')}
  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;
    *) COMPREPLY=($(compgen -W "$commands" -- "$current")) ;;
  esac
}
complete -o default -F ${functionOf(name)} ${name}
`;
}

function zsh(name: string, nodes: readonly Node[]): string {
  const quote = (text: string) => `'${text.replaceAll("'", '').replaceAll(':', '\\:')}'`;
  const cases = nodes.map((node) => {
    const commands = node.commands.map(
      ({ name, summary }) => quote(name).slice(0, -1) + quote(summary).replace("'", ':'),
    );
    const options = [...node.options, { flag: '--help', summary: 'show this help' }];
    const flags = options.map(({ flag, summary }) => quote(flag).slice(0, -1) + quote(summary).replace("'", ':'));
    return `    "${node.path}") commands=(${commands.join(' ')}); options=(${flags.join(' ')}) ;;`;
  });
  return `#compdef ${name}
# zsh completion for ${name}: source <(${name} completion zsh)
${functionOf(name)}() {
  local -a commands options
  local candidate word known=""
  for word in "\${(@)words[2,CURRENT-1]}"; do
    candidate="\${known:+$known }$word"
    case "$candidate" in
      ${nodes
        .filter((node) => node.path !== '')
        .map((node) => `"${node.path}"`)
        .join('|')}) known="$candidate" ;;
    esac
  done
  case "$known" in
${cases.join('\n')}
  esac
  if [[ "\${words[CURRENT]}" == -* ]]; then _describe option options
  elif (( \${#commands} )); then _describe command commands
  else _files
  fi
}
compdef ${functionOf(name)} ${name}
`;
}

function fish(program: string, nodes: readonly Node[]): string {
  const quote = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = [`# fish completion for ${program}: ${program} completion fish | source`];
  for (const node of nodes) {
    const parts = node.path === '' ? [] : node.path.split(' ');
    const seen = parts.map((part) => `__fish_seen_subcommand_from ${part}`).join('; and ');
    const names = node.commands.map(({ name }) => name).join(' ');
    const none = names === '' ? '' : `not __fish_seen_subcommand_from ${names}`;
    const condition = [seen, none].filter((text) => text !== '').join('; and ');
    for (const { name, summary } of node.commands) {
      lines.push(`complete -c ${program} -n ${quote(condition)} -f -a ${quote(name)} -d ${quote(summary)}`);
    }
    for (const { flag, summary } of node.options) {
      lines.push(`complete -c ${program} -n ${quote(condition || 'true')} -l ${flag.slice(2)} -d ${quote(summary)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

const shells = { bash, zsh, fish } as const;

/** Shells that a script can be made for. */
export type Shell = keyof typeof shells;

const functionOf = (name: string) => `_${name.replaceAll('-', '_')}`;

/** The completion script of a program. */
export function completionScript(program: Command, shell: Shell): string {
  return shells[shell](program.name(), collectNodes(program));
}

/** Adds the command `completion`. */
export function registerCompletion(program: Command, host: Host): void {
  const name = program.name();
  const command = host
    .add(program, 'completion', 'Print a completion script', [
      `completion bash > ~/.local/share/bash-completion/completions/${name}`,
    ])
    .addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(shells)));
  host.handle(command, async (context, _options, [shell]) => {
    await write(context.io.stdout, completionScript(program, shell as Shell));
  });
}
