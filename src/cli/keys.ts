import { BadValue, duration } from '../config/values.ts';
import { quote, toOneLine } from '../errors/texts.ts';
import { JWKS_CACHE_SECONDS } from '../keys/key-plan.ts';
import { removeSigningKey, rotateSigningKeys } from '../keys/signing-keys.ts';
import type { Foundations } from '../server/foundations.ts';
import { defined } from '../storage/defined.ts';
import {
  type Command,
  CommandFailed,
  type CommandIo,
  readArguments,
  UsageError,
  writeLines,
} from './command.ts';
import { openStore, operatorOf } from './open.ts';

const toIso = (ms: number): string => new Date(ms).toISOString();

export const keys: Command = {
  summary: 'Lists, rotates and removes the keys that sign tokens; a running server follows by itself.',
  usage: ['keys list', 'keys rotate [--lead DURATION | --now]', 'keys remove KID'],
  details: [
    'rotate makes a new key for each algorithm in use. It is published at once and signs five minutes later, when all',
    'readers have loaded it; the keys before it stay published for the longest lifetime that a token may have.',
    '',
    '  --lead DURATION   how long the new keys are published before they sign, such as 45m; 5m at least, and 5m without it.',
    '                    Give it longer than any verifier keeps a key set',
    '  --now             the new keys sign at once; verifiers that keep the old key set refuse their tokens for a while',
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

async function list(args: readonly string[], io: CommandIo): Promise<undefined> {
  readArguments(args, {}, 0);
  await using opened = await openStore(io);
  await opened.followSigningAlgs();
  writeLines(io.stdout, describeKeys(opened));
}

/** @returns seconds */
function parseLead(text: string): number {
  try {
    return duration(`${JWKS_CACHE_SECONDS}s`, '7d').parse(text);
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    throw new UsageError(`The lead ${quote(text)} ${error.message}. Write one such as 45m`);
  }
}

async function rotate(args: readonly string[], io: CommandIo): Promise<undefined> {
  const { values } = readArguments(args, { now: { type: 'boolean' }, lead: { type: 'string' } }, 0);
  const immediately = values.now ?? false;
  if (immediately && values.lead !== undefined) throw new UsageError('--now and --lead exclude each other');
  const lead = values.lead === undefined ? undefined : parseLead(values.lead);
  await using opened = await openStore(io);
  await opened.followSigningAlgs();
  const { longestLifetime, storage } = opened;
  const how = defined({ immediately, lead });
  const made = await rotateSigningKeys({ ...opened, keys: storage.keys }, { ...how, longestLifetime });
  await record(opened, io, 'keys.rotated', { made: made.map(({ id }) => id), ...how });
  writeLines(io.stdout, describeKeys(opened));
}

async function remove(args: readonly string[], io: CommandIo): Promise<undefined> {
  const { positionals } = readArguments(args, {}, 1);
  const kid = positionals[0] as string;
  await using opened = await openStore(io);
  const wasThere = await removeSigningKey({ ...opened, keys: opened.storage.keys }, kid);
  if (!wasThere) throw new CommandFailed(`There is no signing key ${kid}.`);
  await record(opened, io, 'keys.removed', { kid });
  writeLines(io.stdout, [toOneLine(`Removed ${kid}; what it signed is dead.`), ...describeKeys(opened)]);
}

/** Writes to the audit log what was changed, and reads the keys again. */
async function record(
  { audit, now, signingKeys }: Foundations,
  io: CommandIo,
  event: string,
  details: object,
) {
  await audit.append({ at: now(), event, outcome: 'changed', ...operatorOf(io), details: { ...details } });
  await signingKeys.refresh();
}

function describeKeys({ signingKeys }: Foundations): string[] {
  return signingKeys.published().map((key) => {
    const state = signingKeys.stateOf(key);
    const until = key.expiresAt === undefined ? '' : `, published until ${toIso(key.expiresAt)}`;
    return `${key.kid}  ${key.alg.padEnd(5)}  ${state.padEnd(7)}  signs from ${toIso(key.activeFrom)}${until}`;
  });
}
