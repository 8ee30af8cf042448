/** What commands work on: the configured store, opened as the server opens it. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { findResources } from '../admin/find-named.ts';
import { type Config, loadConfig } from '../config/load.ts';
import { type Foundations, openFoundations } from '../server/foundations.ts';
import { openStorage } from '../server/open-storage.ts';
import type { Storage } from '../storage/contract.ts';
import { CommandFailed, type CommandIo, requireFound } from './command.ts';
import { readArguments } from './input.ts';

/** @returns the path of a store that is not there yet */
export function findMissingStore({ storage }: Config): string | undefined {
  return storage.kind !== 'sqlite' || existsSync(storage.path) ? undefined : storage.path;
}

/** @throws CommandFailed; asking a store that is not there must not make one */
export function requireStore(config: Config): void {
  const missing = findMissingStore(config);
  if (missing === undefined) return;
  throw new CommandFailed(
    `There is no store at ${missing}. Starting the server, applying a file and importing make one; is it elsewhere (GRANTABLE_DATA_DIR, GRANTABLE_STORAGE)?`,
  );
}

/** @param made what is made there, such as `a backup` @throws CommandFailed */
export function requireNewFile(path: string, made: string): void {
  if (existsSync(path)) throw new CommandFailed(`${path} is there already: ${made} needs a new file.`);
  if (!existsSync(dirname(path))) throw new CommandFailed(`There is no folder ${dirname(path)}.`);
}

/** The argument of a command that takes the path of one file, and the configuration. @throws UsageError, ConfigError */
export function readPath(args: readonly string[], { cwd, env }: CommandIo) {
  const { positionals } = readArguments(args, {}, 1);
  return { path: resolve(cwd, positionals[0] as string), config: loadConfig(env, { cwd }) };
}

/**
 * Opens what is stored, without the keys that open its secrets, works on it and closes it.
 * @throws whatever opening it throws, see `open-storage.ts`
 */
export async function withStorage<T>(config: Config, work: (storage: Storage) => Promise<T>): Promise<T> {
  const storage = await openStorage(config);
  await using opened = new AsyncDisposableStack();
  opened.defer(() => storage.close());
  return await work(storage);
}

/**
 * Opens the configured store, until the caller has ended.
 * @param whenMissing what is done where there is no store yet; `pretend`: an empty one that is thrown away afterwards
 * @throws whatever opening it throws, see `foundations.ts`
 */
export async function openStore(
  io: CommandIo,
  whenMissing: 'refuse' | 'create' | 'pretend' = 'refuse',
): Promise<Foundations> {
  const config = loadConfig(io.env, { cwd: io.cwd });
  if (whenMissing === 'refuse') requireStore(config);
  if (whenMissing !== 'pretend' || !findMissingStore(config)) return openFoundations(config, io.now);
  await using unfinished = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'grantable-'));
  unfinished.defer(() => rm(folder, { recursive: true }));
  const storage = { kind: 'sqlite', path: join(folder, 'grantable.db') } as const;
  const masterKey = { source: 'data-folder', path: join(folder, 'master.key') } as const;
  const foundations = unfinished.use(await openFoundations({ ...config, storage, masterKey }, io.now));
  const whole = unfinished.move();
  return { ...foundations, [Symbol.asyncDispose]: () => whole.disposeAsync() };
}

/** @throws CommandFailed */
export async function requireOrganization(name: string, { store }: Pick<Foundations, 'store'>) {
  return requireFound(await store.organizations.findBy('name', name), `There is no organization ${name}.`);
}

/** @param name an identifier, or `organization/name` @throws CommandFailed */
export async function requireResource(name: string, { store }: Pick<Foundations, 'store'>) {
  const [resource, ...others] = await findResources(store, name);
  if (others.length > 0)
    throw new CommandFailed(`Several resources are called ${name}: name one by its identifier.`);
  return requireFound(
    resource,
    `There is no resource ${name}. Name it organization/name, or by its identifier.`,
  );
}

/** Who it was, for the audit: a person who may run commands is an operator. */
export function operatorOf({ env }: CommandIo): { actor: string } {
  const user = env.SUDO_USER ?? env.USER ?? env.USERNAME;
  return { actor: user === undefined ? 'command line' : `command line (${user})` };
}
