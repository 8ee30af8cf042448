/** What commands work on: the configured store, opened as the server opens it. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Config, loadConfig } from '../config/load.ts';
import { type Foundations, openFoundations } from '../server/foundations.ts';
import { openStorage } from '../server/open-storage.ts';
import type { Storage } from '../storage/contract.ts';
import { CommandFailed, type CommandIo } from './command.ts';

/** @throws CommandFailed; asking a store that is not there must not make one */
export function requireStore({ storage }: Config): void {
  if (storage.kind !== 'sqlite' || existsSync(storage.path)) return;
  throw new CommandFailed(
    `There is no store at ${storage.path}. Starting the server, applying a file and importing make one; is it elsewhere (GRANTABLE_DATA_DIR, GRANTABLE_STORAGE)?`,
  );
}

/**
 * Opens what is stored, without the keys that open its secrets, works on it and closes it.
 * @throws whatever opening it throws, see `open-storage.ts`
 */
export async function withStorage<T>(config: Config, work: (storage: Storage) => Promise<T>): Promise<T> {
  const storage = await openStorage(config);
  try {
    return await work(storage);
  } finally {
    await storage.close();
  }
}

/** What is done where there is no store yet. */
type WhenMissing = 'refuse' | 'create' | 'pretend';

/**
 * Opens the configured store, works on it and closes it.
 * @param whenMissing `pretend`: an empty one that is thrown away afterwards
 * @throws whatever opening it throws, see `foundations.ts`
 */
export async function withStore<T>(
  io: CommandIo,
  { whenMissing = 'refuse' }: { whenMissing?: WhenMissing },
  work: (opened: Foundations) => Promise<T>,
): Promise<T> {
  const config = loadConfig(io.env, { cwd: io.cwd });
  if (whenMissing === 'refuse') requireStore(config);
  const isThere = config.storage.kind !== 'sqlite' || existsSync(config.storage.path);
  if (whenMissing !== 'pretend' || isThere) return workOn(config, io, work);
  const folder = await mkdtemp(join(tmpdir(), 'grantable-'));
  try {
    const storage = { kind: 'sqlite', path: join(folder, 'grantable.db') } as const;
    const masterKey = { source: 'data-folder', path: join(folder, 'master.key') } as const;
    return await workOn({ ...config, storage, masterKey }, io, work);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function workOn<T>(
  config: Config,
  io: CommandIo,
  work: (opened: Foundations) => Promise<T>,
): Promise<T> {
  const foundations = await openFoundations(config, io.now);
  try {
    return await work(foundations);
  } finally {
    await foundations.close();
  }
}

/** Who it was, for the audit: a person who may run commands is an operator. */
export function operatorOf({ env }: CommandIo): { actor: string } {
  const user = env.SUDO_USER ?? env.USER ?? env.USERNAME;
  return { actor: user === undefined ? 'command line' : `command line (${user})` };
}
