import { toOneLine } from '../errors/texts.ts';
import { removeSigningKey, rotateSigningKeys, type SigningKeys } from '../keys/signing-keys.ts';
import type { Foundations } from '../server/foundations.ts';
import {
  type Command,
  CommandFailed,
  type CommandIo,
  DONE,
  readArguments,
  UsageError,
  writeLines,
} from './command.ts';
import { operatorOf, withStore } from './open.ts';

const toIso = (ms: number): string => new Date(ms).toISOString();

export const keys: Command = {
  name: 'keys',
  summary: 'Lists, rotates and removes the keys that sign tokens; a running server follows by itself.',
  usage: ['keys list', 'keys rotate [--now]', 'keys remove KID'],
  details: [
    'rotate makes a new key for each algorithm in use. It is published at once and signs five minutes later, when all',
    'readers have loaded it; the keys before it stay published for the longest lifetime that a token may have.',
    '',
    '  --now   the new keys sign at once; verifiers that keep the old key set refuse their tokens for a while',
    '',
    'remove takes a compromised key away: every token that it signed is dead at once.',
  ],
  async run(args, io) {
    const [what, ...others] = args;
    if (what === 'list') return list(others, io);
    if (what === 'rotate') return rotate(others, io);
    if (what === 'remove') return remove(others, io);
    throw new UsageError(what === undefined ? 'An argument is missing' : `There is no keys ${what}`);
  },
};

async function list(args: readonly string[], io: CommandIo): Promise<number> {
  readArguments(args, {}, 0);
  return withStore(io, {}, async ({ signingKeys, followSigningAlgs }) => {
    await followSigningAlgs();
    writeLines(io.stdout, describeKeys(signingKeys));
    return DONE;
  });
}

async function rotate(args: readonly string[], io: CommandIo): Promise<number> {
  const { values } = readArguments(args, { now: { type: 'boolean' } }, 0);
  const immediately = values.now ?? false;
  return withStore(io, {}, async (opened) => {
    const { storage, vault, now, longestLifetime, signingKeys } = opened;
    await opened.followSigningAlgs();
    const made = await rotateSigningKeys(
      { keys: storage.keys, vault, now },
      { immediately, longestLifetime },
    );
    await append(opened, io, 'keys.rotated', { made: made.map(({ id }) => id), immediately });
    await signingKeys.refresh();
    writeLines(io.stdout, describeKeys(signingKeys));
    return DONE;
  });
}

async function remove(args: readonly string[], io: CommandIo): Promise<number> {
  const { positionals } = readArguments(args, {}, 1);
  const kid = positionals[0] as string;
  return withStore(io, {}, async (opened) => {
    const { storage, vault, now, signingKeys } = opened;
    const known = (await storage.keys.list()).some(({ id, purpose }) => id === kid && purpose === 'signing');
    if (!known) throw new CommandFailed(`There is no signing key ${kid}.`);
    await removeSigningKey({ keys: storage.keys, vault, now }, kid);
    await append(opened, io, 'keys.removed', { kid });
    await signingKeys.refresh();
    writeLines(io.stdout, [
      toOneLine(`Removed ${kid}; what it signed is dead.`),
      ...describeKeys(signingKeys),
    ]);
    return DONE;
  });
}

async function append(
  { storage, now }: Foundations,
  io: CommandIo,
  event: string,
  details: Record<string, unknown>,
): Promise<void> {
  await storage.audit.append({ at: now(), event, outcome: 'changed', ...operatorOf(io), details });
}

function describeKeys(signingKeys: SigningKeys): string[] {
  return signingKeys.published().map((key) => {
    const state = signingKeys.stateOf(key);
    const until = key.expiresAt === undefined ? '' : `, published until ${toIso(key.expiresAt)}`;
    return `${key.kid}  ${key.alg.padEnd(5)}  ${state.padEnd(7)}  signs from ${toIso(key.activeFrom)}${until}`;
  });
}
