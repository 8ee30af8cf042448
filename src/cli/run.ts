/** Finds the command that was typed and runs it. */
import { join } from 'node:path';
import { didYouMean } from '../errors/similar.ts';
import { toOneLine } from '../errors/texts.ts';
import { packageFolder } from '../server/package-folder.ts';
import { type Command, type CommandIo, DONE, MISUSED, UsageError } from './command.ts';
import { writeLines } from './input.ts';

/** @param loadOthers what the command does beside, by its first argument */
function nounCommand(singular: string, loadOthers?: () => Promise<Readonly<Record<string, Command>>>) {
  return async (): Promise<Command> => {
    const { createNounCommand } = await import('./administration/noun-command.ts');
    return createNounCommand(singular, await loadOthers?.());
  };
}

/** Loaded when they are run: most need no server. */
const loaders: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./serve.ts')).serve,
  apply: async () => (await import('./apply.ts')).apply,
  doctor: async () => (await import('./doctor.ts')).doctor,
  keys: async () => (await import('./keys.ts')).keys,
  explain: async () => (await import('./explain.ts')).explain,
  revoke: async () => (await import('./revoke.ts')).revoke,
  ...Object.fromEntries(
    ['organization', 'user', 'application', 'agent', 'role', 'webhook', 'token', 'login', 'audit'].map(
      (singular) => [singular, nounCommand(singular)],
    ),
  ),
  administrator: async () => (await import('./administrator.ts')).administrator,
  connection: async () => (await import('./connection.ts')).connection,
  datasource: nounCommand('datasource', async () => ({ test: (await import('./datasource.ts')).datasource })),
  guard: async () => (await import('./guard.ts')).guard,
  resource: nounCommand('resource', async () => ({ import: (await import('./resource.ts')).resource })),
  backup: async () => (await import('./backup.ts')).backup,
  export: async () => (await import('./export.ts')).exportStore,
  import: async () => (await import('./import.ts')).importStore,
};

async function findCommand(name: string): Promise<Command | undefined> {
  return Object.hasOwn(loaders, name) ? loaders[name]?.() : undefined;
}

/** @returns the exit code; nothing is thrown */
export async function runCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const [name, ...args] = argv;
  if (name === 'help' || name === '-h' || name === '--help') return help(args, io);
  const command = name === undefined ? undefined : await findCommand(name);
  if (!command) return refuse(name, io);
  if (args.includes('-h') || args.includes('--help')) {
    writeLines(io.stdout, describe(command));
    return DONE;
  }
  try {
    return (await command.run(args, io)) ?? DONE;
  } catch (error) {
    if (error instanceof UsageError) {
      writeLines(io.stderr, [toOneLine(`${error.message}.`), '', ...usageOf(command, args)]);
      return MISUSED;
    }
    const { toFailure } = await import('./failure.ts');
    const { lines, exitCode } = toFailure(error);
    writeLines(io.stderr, lines);
    return exitCode;
  }
}

async function help([name]: readonly string[], io: CommandIo): Promise<number> {
  const command = name === undefined ? undefined : await findCommand(name);
  if (name !== undefined && !command) return refuse(name, io);
  writeLines(io.stdout, command ? describe(command) : await overview());
  return DONE;
}

async function refuse(name: string | undefined, io: CommandIo): Promise<number> {
  const hint = name === undefined ? '' : didYouMean(name, Object.keys(loaders));
  const wrong = name === undefined ? [] : [toOneLine(`There is no command ${name}${hint}.`), ''];
  writeLines(io.stderr, [...wrong, ...(await overview())]);
  return MISUSED;
}

async function overview(): Promise<string[]> {
  const commands = await Promise.all(
    Object.entries(loaders).map(async ([name, load]) => ({ name, summary: (await load()).summary })),
  );
  const width = Math.max(...commands.map(({ name }) => name.length)) + 2;
  return [
    'Usage: grantable COMMAND [ARGUMENTS]',
    '',
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}${summary}`),
    '',
    'grantable COMMAND -h explains one command. The configuration comes from environment variables, see',
    `${join(packageFolder('docs'), 'configuration.md')}.`,
  ];
}

/** @param args narrow it to the forms that begin as they do, if there are any */
function usageOf({ usage }: Command, [first]: readonly string[] = []): string[] {
  const meant = usage.filter((form) => form.split(' ')[1] === first);
  const forms = meant.length > 0 ? meant : usage;
  return forms.map((form, index) => `${index === 0 ? 'Usage:' : '      '} grantable ${form}`);
}

function describe(command: Command): string[] {
  return [...usageOf(command), '', command.summary, ...(command.details ? ['', ...command.details] : [])];
}
