/** What commands work on: the configured store, opened as the server opens it. */
import { existsSync } from 'node:fs';
import { type Config, loadConfig } from '../config/load.ts';
import { type Foundations, openFoundations } from '../foundations.ts';
import { createJwtVerifier, type JwtVerifier } from '../provider/verify-jwt.ts';
import { CommandFailed, type CommandIo } from './command.ts';

export interface Opened extends Foundations {
  readonly jwtVerifier: JwtVerifier;
}

/** @throws CommandFailed; asking a store that is not there must not make one */
export function requireStore({ storage }: Config): void {
  if (existsSync(storage.path)) return;
  throw new CommandFailed(
    `There is no store at ${storage.path}. Starting the server, applying a file and importing make one; is it elsewhere (GRANTABLE_DATA_DIR, GRANTABLE_STORAGE)?`,
  );
}

/** Opens the configured store, works on it and closes it. @throws whatever opening it throws, see `foundations.ts` */
export async function withStore<T>(
  io: CommandIo,
  { mayCreate = false }: { mayCreate?: boolean },
  work: (opened: Opened) => Promise<T>,
): Promise<T> {
  const config = loadConfig(io.env, { cwd: io.cwd });
  if (!mayCreate) requireStore(config);
  const foundations = await openFoundations(config, io.now);
  try {
    return await work(extend(foundations));
  } finally {
    await foundations.close();
  }
}

function extend(foundations: Foundations): Opened {
  const { config, signingKeys, now } = foundations;
  return { ...foundations, jwtVerifier: createJwtVerifier({ issuer: config.issuer, signingKeys, now }) };
}

/** Who it was, for the audit: whoever may run commands is an operator. */
export function authorOf({ env }: CommandIo): { actor: string } {
  const user = env.SUDO_USER ?? env.USER ?? env.USERNAME;
  return { actor: user === undefined ? 'command line' : `command line (${user})` };
}
