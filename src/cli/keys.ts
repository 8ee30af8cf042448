import { type KeyFacts, listKeys, removeKey, rotateKeys, rotateSecrets } from '../admin/keys.ts';
import { BadValue, duration } from '../config/values.ts';
import { quote, toOneLine } from '../errors/texts.ts';
import { JWKS_CACHE_SECONDS } from '../keys/key-plan.ts';
import { defined } from '../storage/defined.ts';
import { type Command, type CommandIo, requireFound, UsageError } from './command.ts';
import { flags, readArguments, texts, writeLines } from './input.ts';
import { openStore, operatorOf } from './open.ts';

const toIso = (ms: number): string => new Date(ms).toISOString();

export const keys: Command = {
  summary:
    'Lists, rotates and removes the keys that sign tokens, and rotates secrets; a running server follows by itself.',
  usage: [
    'keys list',
    'keys rotate [--lead DURATION | --now]',
    'keys rotate --secrets [--now]',
    'keys remove KID',
  ],
  details: [
    'rotate makes a new key for each algorithm in use. It is published at once and signs five minutes later, when all',
    'readers have loaded it; the keys before it stay published for the longest lifetime that a token may have.',
    '',
    '  --lead DURATION   how long the new keys are published before they sign, such as 45m; 5m at least, and 5m without it.',
    '                    Give it longer than any verifier keeps a key set',
    '  --now             the new keys sign at once; verifiers that keep the old key set refuse their tokens for a while',
    '',
    'rotate --secrets makes new versions of the secrets that never leave the server: the key that encrypts credentials and',
    'private keys, and those of cookies, forms, passwords, client secrets and refresh tokens. They are used after a',
    'minute, or at once with --now. What was made with the earlier ones stays good, and everybody stays logged in.',
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
  writeLines(io.stdout, describe(await listKeys(opened)));
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
  const { values } = readArguments(args, { ...flags('now', 'secrets'), ...texts('lead') }, 0);
  const immediately = values.now ?? false;
  for (const flag of ['secrets', 'now'] as const) {
    if (values[flag] && values.lead !== undefined)
      throw new UsageError(`--${flag} and --lead exclude each other`);
  }
  const lead = values.lead === undefined ? undefined : parseLead(values.lead);
  await using opened = await openStore(io);
  if (values.secrets) {
    const { ids, usedFrom } = await rotateSecrets(immediately, opened, operatorOf(io));
    writeLines(io.stdout, [`Made ${ids.join(', ')}: used from ${toIso(usedFrom)}.`]);
    return;
  }
  const published = await rotateKeys(defined({ immediately, lead }), opened, operatorOf(io));
  writeLines(io.stdout, describe(published));
}

async function remove(args: readonly string[], io: CommandIo): Promise<undefined> {
  const { positionals } = readArguments(args, {}, 1);
  const kid = positionals[0] as string;
  await using opened = await openStore(io);
  const left = requireFound(await removeKey(kid, opened, operatorOf(io)), `There is no signing key ${kid}.`);
  writeLines(io.stdout, [toOneLine(`Removed ${kid}; what it signed is dead.`), ...describe(left)]);
}

function describe(published: readonly KeyFacts[]): string[] {
  return published.map(({ kid, alg, state, signsFrom, publishedUntil }) => {
    const until = publishedUntil === undefined ? '' : `, published until ${toIso(publishedUntil)}`;
    return `${kid}  ${alg.padEnd(5)}  ${state.padEnd(7)}  signs from ${toIso(signsFrom)}${until}`;
  });
}
